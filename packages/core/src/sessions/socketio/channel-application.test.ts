import { describe, expect, test } from "bun:test";
import { ALICE, BOB, publication, setUp, taken } from "../../testing/channel-fixture.ts";
import { disconnected } from "../../testing/disconnected.ts";

describe("connecting", () => {
  test("joins the channel of one's own id and no other", () => {
    const { connect, publish } = setUp();
    const alice = connect(ALICE);
    connect(BOB);
    taken(alice.socket);
    publish(publication(ALICE, '{"n":1}'));
    publish(publication(BOB));
    expect(taken(alice.socket)).toEqual([`42["${ALICE}",{"n":1}]`]);
  });

  test("without an id joins nothing", () => {
    const { connect, channels } = setUp();
    connect();
    connect(undefined, '{"uniqueUserId":null}');
    expect(channels()).toEqual([]);
  });

  test("may bring the id with the token, where the query has none", () => {
    const { connect, channels } = setUp();
    const { socket } = connect(undefined, `{"uniqueUserId":"${ALICE}"}`);
    expect(taken(socket)[0]).toStartWith('40{"sid"');
    expect(channels()).toEqual([ALICE]);
    connect(BOB, `{"uniqueUserId":"${ALICE}"}`);
    expect(channels()).toEqual([ALICE, BOB]);
  });

  test("with an id that is no text is refused, after the token was looked at", () => {
    const { connect, channels, token } = setUp({ withToken: true });
    for (const id of ['""', "7", '["open:room"]', "{}", "true"]) {
      const wrong = connect(undefined, `{"uniqueUserId":${id},"token":"wrong"}`);
      expect(taken(wrong.socket)[0]).toContain("invalid token");
      const { socket } = connect(undefined, `{"uniqueUserId":${id},"token":"${token.current()}"}`);
      expect(taken(socket)[0]).toStartWith('44{"message":"uniqueUserId does not match');
    }
    expect(channels()).toEqual([]);
  });

  test("with an id that is none is refused, so that nobody names a channel of a namespace", () => {
    const { connect, channels } = setUp();
    const { socket } = connect("open:room");
    expect(taken(socket)[0]).toStartWith('44{"message":"uniqueUserId does not match');
    expect(channels()).toEqual([]);
  });

  test("to an app's namespace joins that app's channels", () => {
    const { open, publish } = setUp();
    const { socket, say } = open(ALICE);
    say("40/shop,");
    taken(socket);
    publish({ ...publication(ALICE), app: "shop" });
    publish(publication(ALICE));
    expect(taken(socket)).toEqual([`42/shop,["${ALICE}",1]`]);
  });

  test("to an app that is not configured is refused in the protocol's words", () => {
    const { open } = setUp();
    const { socket, say } = open(ALICE);
    say("40/nowhere,");
    expect(taken(socket)).toEqual(['44/nowhere,{"message":"Invalid namespace"}']);
  });

  test("to the default app by its name is refused, since its events go to the main namespace", () => {
    const { open } = setUp();
    const { socket, say } = open(ALICE);
    say("40/default,");
    expect(taken(socket)).toEqual(['44/default,{"message":"Invalid namespace"}']);
  });

  test("with so much still unread that the answer is too much leaves nothing behind", () => {
    const { counters, open, channels } = setUp();
    const { socket, say } = open(ALICE);
    socket.pause();
    say(`40/${"x".repeat(1_100)},`, "40");
    expect(counters.slowConsumers).toBe(1);
    expect(counters.connections).toBe(0);
    expect(channels()).toEqual([]);
  });
});

describe("the token", () => {
  test("is asked for: missing, wrong and of another kind are 'invalid token'", () => {
    const { connect, counters } = setUp({ withToken: true });
    for (const auth of ["", '{"token":"wrong"}', '{"token":7}', '{"token":{"a":1}}']) {
      const { socket } = connect(ALICE, auth);
      expect(taken(socket)).toEqual([
        '44{"message":"invalid token","data":{"code":301,"name":"invalid_token"}}',
      ]);
    }
    expect(counters.refusedConnects).toBe(4);
  });

  test("is judged by the clock at the moment of connecting", () => {
    const { clock, connect, token } = setUp({ withToken: true });
    const today = `{"token":"${token.current()}"}`;
    expect(taken(connect(ALICE, today).socket)[0]).toStartWith('40{"sid"');
    clock.advance(2 * 86_400_000);
    expect(taken(connect(ALICE, today).socket)[0]).toContain("invalid token");
  });

  test("comes before the rate, so that who lacks it does not use up another's rate", () => {
    const { connect, token } = setUp({ withToken: true, perUser: 1 });
    connect(ALICE, '{"token":"wrong"}');
    const { socket } = connect(ALICE, `{"token":"${token.current()}"}`);
    expect(taken(socket)[0]).toStartWith('40{"sid"');
  });
});

describe("the connection rate", () => {
  test("of one user is one a second: the second connect is 'rate limit block'", () => {
    const { clock, connect } = setUp({ perUser: 1 });
    expect(taken(connect(ALICE).socket)[0]).toStartWith('40{"sid"');
    expect(taken(connect(ALICE).socket)[0]).toContain('"message":"rate limit block"');
    expect(taken(connect(BOB).socket)[0]).toStartWith('40{"sid"');
    clock.advance(1_000);
    expect(taken(connect(ALICE).socket)[0]).toStartWith('40{"sid"');
  });

  test("of one address refuses the handshake itself, and others' are not touched", () => {
    const { clock, handshake, counters } = setUp({ perAddress: 2 });
    const status = (address: string) => {
      const admission = handshake("", address);
      return "refusal" in admission ? admission.refusal.status : 200;
    };
    expect([1, 2, 3].map(() => status("192.0.2.1"))).toEqual([200, 200, 429]);
    expect(status("192.0.2.2")).toBe(200);
    expect(["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(status)).toEqual([200, 200, 429]);
    clock.advance(500);
    expect(status("192.0.2.1")).toBe(200);
    expect(counters.refusedHandshakes).toBe(2);
  });
});

describe("before authentication", () => {
  test("a client that does not connect is closed in time, with a code that brings it back", () => {
    const { clock, counters, open } = setUp();
    const { socket } = open(ALICE);
    clock.advance(9_999);
    expect(socket.closedWith).toBeUndefined();
    clock.advance(1);
    expect(socket.closedWith?.code).toBe(4003);
    expect(counters.authenticationTimeouts).toBe(1);
  });

  test("only so many clients may be, and each that connects or leaves makes room", () => {
    const { handshake, open } = setUp({ maxHandshakes: 2 });
    const first = open(ALICE);
    open(BOB);
    const refused = handshake("");
    expect("refusal" in refused && refused.refusal.status).toBe(503);
    first.say("40");
    expect("handler" in handshake("")).toBe(true);
  });

  test("a client that begins a binary packet is closed before the parts could come", () => {
    const { counters, open } = setUp();
    const { socket, say } = open(ALICE);
    say('451-["message",{"_placeholder":true,"num":0}]');
    expect(socket.closedWith?.code).toBe(4501);
    expect(counters.malformedPackets).toBe(1);
  });

  test("a client that left its last namespace is in the same position again", () => {
    const { clock, connect } = setUp();
    const { socket, say } = connect(ALICE);
    clock.advance(20_000);
    say("41");
    clock.advance(10_000);
    expect(socket.closedWith?.code).toBe(4003);
  });
});

describe("subscribing", () => {
  test("is allowed to one's own id and where the namespace is open, and is acknowledged", () => {
    const { connect, publish } = setUp();
    const { socket, say } = connect(ALICE);
    taken(socket);
    say(`421["subscribe",{"channel":"${ALICE}"}]`, '422["subscribe",{"channel":"open:1"}]');
    expect(taken(socket)).toEqual([
      `431[{"ok":true,"channel":"${ALICE}"}]`,
      '432[{"ok":true,"channel":"open:1"}]',
    ]);
    publish(publication("open:1"));
    expect(taken(socket)).toEqual(['42["open:1",1]']);
    say('423["unsubscribe",{"channel":"open:1"}]');
    expect(taken(socket)).toEqual(['433[{"ok":true,"channel":"open:1","wasSubscribed":true}]']);
    expect(publish(publication("open:1"))).toBe(0);
  });

  test("to another's id, and to what no namespace opens, is refused with number 203", () => {
    const { connect, publish } = setUp();
    const { socket, say } = connect(ALICE);
    taken(socket);
    for (const channel of [BOB, "closed:1", "plain"]) {
      say(`421["subscribe",{"channel":"${channel}"}]`);
      expect(taken(socket)[0]).toContain('"code":203');
      expect(publish(publication(channel))).toBe(0);
    }
  });

  test("to more channels than a connection may have is refused with number 204", () => {
    const { connect, counters } = setUp();
    const { socket, say } = connect(ALICE);
    for (const n of [1, 2, 3]) say(`42${n}["subscribe",{"channel":"open:${n}"}]`);
    expect(taken(socket).at(-1)).toContain('"code":204');
    expect(socket.closedWith?.code).toBe(4005);
    expect(counters.limitsExceeded).toBe(1);
  });

  test.each([
    '["subscribe"]',
    '["subscribe",null]',
    '["subscribe",{"channel":7}]',
    '["subscribe",{"channel":""}]',
    '["subscribe",{"channel":"a\\u0000b"}]',
    '["unsubscribe",{}]',
    '["publish",{"channel":"open:1"}]',
    '["publish",{"channel":"open:1","event":7,"data":1}]',
    '["publish",[]]',
    `["publish",{"channel":"open:1","data":${"[".repeat(600)}${"]".repeat(600)}}]`,
  ])("with a wrong argument is refused with number 101 and the connection lives: %s", (event) => {
    const { connect } = setUp();
    const { socket, say } = connect(ALICE);
    taken(socket);
    say(`421${event}`);
    expect(taken(socket)[0]).toContain('"code":101');
    expect(socket.isEnded).toBe(false);
  });

  test("is the only kind of event besides publishing: others are refused with number 111", () => {
    const { connect } = setUp();
    const { socket, say } = connect(ALICE);
    taken(socket);
    say('421["chat","hello"]', '42["chat","hello"]');
    expect(taken(socket).length).toBe(1);
    expect(socket.isEnded).toBe(false);
  });
});

describe("publishing by a client", () => {
  test("reaches the subscribers with the text as it was written, where the namespace allows", () => {
    const { connect } = setUp();
    const [alice, bob] = [connect(ALICE), connect(BOB)];
    bob.say('42["subscribe",{"channel":"open:1"}]');
    taken(alice.socket);
    taken(bob.socket);
    const data = '{"id":12345678901234567890, "x" : 1.0}';
    alice.say(`421["publish",{"channel":"open:1","event":"move","data":${data}}]`);
    expect(taken(alice.socket)).toEqual(['431[{"ok":true,"subscribers":1}]']);
    expect(taken(bob.socket)).toEqual([`42["move",${data}]`]);
  });

  test("carries binary parts on", () => {
    const { connect } = setUp();
    const [alice, bob] = [connect(ALICE), connect(BOB)];
    bob.say('42["subscribe",{"channel":"open:1"}]');
    bob.socket.received.length = 0;
    const part = new Uint8Array([1, 2, 3]);
    alice.say('451-["publish",{"channel":"open:1","data":{"_placeholder":true,"num":0}}]', part);
    expect(bob.socket.received).toEqual(['451-["message",{"_placeholder":true,"num":0}]', part]);
  });

  test("is refused where the namespace does not allow it, to one's own id too", () => {
    const { connect } = setUp();
    const { socket, say } = connect(ALICE);
    for (const channel of ["news:1", ALICE, BOB]) {
      taken(socket);
      say(`421["publish",{"channel":"${channel}","data":1}]`);
      expect(taken(socket)[0]).toContain('"code":203');
    }
  });

  test("under a name that clients refuse to receive is refused with number 110", () => {
    const { connect } = setUp();
    const { socket, say } = connect(ALICE);
    taken(socket);
    say('421["publish",{"channel":"open:1","event":"disconnect","data":1}]');
    expect(taken(socket)[0]).toContain('"code":110');
  });
});

describe("disconnecting", () => {
  test("by the publisher tells the client in the way after which it does not come back", () => {
    const { connect, hub, counters, channels } = setUp();
    const { socket } = connect(ALICE);
    taken(socket);
    expect(hub.disconnect("default", { user: ALICE })).toEqual(disconnected(1));
    expect(taken(socket)).toEqual(["41"]);
    expect(socket.closedWith?.code).toBe(4500);
    expect(counters.connections).toBe(0);
    expect(channels()).toEqual([]);
  });
});
