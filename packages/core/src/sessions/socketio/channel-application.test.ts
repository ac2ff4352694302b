import { describe, expect, test } from "bun:test";
import { Authenticator } from "../../auth/authenticator.ts";
import { JwtVerifier } from "../../auth/jwt.ts";
import { JwtIssuer } from "../../auth/jwt-issuer.ts";
import { PublicKeys } from "../../auth/public-keys.ts";
import { RotatingToken } from "../../auth/rotating-token.ts";
import { Counters } from "../../hub/counters.ts";
import { Hub } from "../../hub/hub.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { RateLimiter } from "../../limits/rate-limiter.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { FakeNetwork, type FakeSocket } from "../../testing/fake-network.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { EngineServer } from "../engine/server.ts";
import { ChannelApplication } from "./channel-application.ts";
import { ClientAuth } from "./client-auth.ts";
import { SocketIoServer } from "./server.ts";

const ALICE = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const BOB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
const UUID = /^[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$/i;

interface Settings {
  readonly withToken?: boolean;
  readonly perUser?: number;
  readonly perAddress?: number;
  readonly maxHandshakes?: number;
  readonly jwt?: JwtVerifier;
  readonly clock?: FakeClock;
  readonly maxConnections?: number;
  readonly maxChannels?: number;
}

function setUp(settings: Settings = {}) {
  const { withToken, perUser = 0, perAddress = 0, maxHandshakes = 10, jwt } = settings;
  const { maxConnections = 0, maxChannels = 0 } = settings;
  const { clock = new FakeClock() } = settings;
  const network = new FakeNetwork();
  const counters = new Counters();
  const log = new RecordingLog();
  const random = new SeededRandom();
  const anyone = { subscribe: "anyone", publish: "anyone", volatile: false } as const;
  const readOnly = { ...anyone, publish: "nobody" } as const;
  const apps = new Map<string, AppConfig>([
    [
      "default",
      {
        namespaces: new Map<string, typeof anyone | typeof readOnly>([
          ["open", anyone],
          ["news", readOnly],
        ]),
      },
    ],
    ["shop", { namespaces: new Map(), maxConnections, maxChannels }],
  ]);
  const hub = new Hub({
    fanout: network,
    clock,
    counters,
    apps,
    slowConsumerBytes: 1024,
    maxChannelsPerConnection: 3,
  });
  const token = new RotatingToken({
    secret: "a secret",
    renewStartHour: 0,
    renewIntervalMs: 86_400_000,
    graceMs: 300_000,
    clock,
  });
  const handler = new SocketIoServer({
    application: new ChannelApplication({
      hub,
      apps,
      auth: new ClientAuth({
        rotating: withToken === true ? token : undefined,
        authenticator: new Authenticator({
          apps,
          publicKeys: new PublicKeys({ keys: new Map() }),
          jwt,
          webhook: undefined,
          anonymousSse: false,
        }),
        acceptsJwt: jwt !== undefined,
        hasWebhook: false,
        anonymous: withToken !== true && jwt === undefined,
        userIdPattern: UUID,
      }),
      messageRate: { ratePerSecond: 10, burst: 20 },
      clock,
      userRate: new RateLimiter({ ratePerSecond: perUser, clock }),
      addressRate: new RateLimiter({ ratePerSecond: perAddress, clock }),
      counters,
      log,
    }),
    clock,
    random,
    log,
    counters,
    authTimeoutMs: 10_000,
    maxHandshakes,
  });
  const engine = new EngineServer({
    handler,
    clock,
    random,
    log,
    counters,
    fanout: network,
    pingIntervalMs: 25_000,
    pingTimeoutMs: 20_000,
    maxPayloadBytes: 1_000_000,
    slowConsumerBytes: 1024,
  });
  const handshake = (query: string, address = "192.0.2.1") =>
    engine.admitSocket({
      query: new URLSearchParams(`EIO=4&transport=websocket&${query}`),
      address,
      origin: null,
    });
  const open = (user?: string, address?: string) => {
    const socket = network.socket();
    const admission = handshake(user === undefined ? "" : `uniqueUserId=${user}`, address);
    if ("refusal" in admission) throw new Error(admission.refusal.body);
    admission.session.opened(socket);
    socket.received.length = 0;
    return {
      socket,
      say: (...messages: (string | Uint8Array)[]) => {
        for (const message of messages) admission.session.message(socket, message);
      },
      close: () => {
        socket.terminate();
        admission.session.closed(socket);
      },
    };
  };
  const connect = (user?: string, auth = "") => {
    const client = open(user);
    client.say(`40${auth}`);
    return client;
  };
  return { clock, network, counters, hub, token, engine, handshake, open, connect };
}

const publication = (channel: string, data = "1") => ({
  app: "default",
  channel,
  event: channel,
  data,
});

/** The text packets that reached the client, and the socket cleared of them. */
const taken = (socket: FakeSocket) => socket.received.splice(0).map(String);

describe("connecting", () => {
  test("joins the channel of one's own id and no other", () => {
    const { hub, connect } = setUp();
    const alice = connect(ALICE);
    connect(BOB);
    taken(alice.socket);
    hub.publish(publication(ALICE, '{"n":1}'));
    hub.publish(publication(BOB));
    expect(taken(alice.socket)).toEqual([`42["${ALICE}",{"n":1}]`]);
  });

  test("without an id joins nothing", () => {
    const { hub, connect } = setUp();
    connect();
    expect([...hub.channels("default")]).toEqual([]);
  });

  test("with an id that is none is refused, so that nobody names a channel of a namespace", () => {
    const { connect, hub } = setUp();
    const { socket } = connect("open:room");
    expect(taken(socket)[0]).toStartWith('44{"message":"uniqueUserId does not match');
    expect([...hub.channels("default")]).toEqual([]);
  });

  test("to an app's namespace joins that app's channels", () => {
    const { hub, open } = setUp();
    const { socket, say } = open(ALICE);
    say("40/shop,");
    taken(socket);
    hub.publish({ ...publication(ALICE), app: "shop" });
    hub.publish(publication(ALICE));
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
    const { counters, hub, open } = setUp();
    const { socket, say } = open(ALICE);
    socket.pause();
    say(`40/${"x".repeat(1_100)},`, "40");
    expect(counters.slowConsumers).toBe(1);
    expect(counters.connections).toBe(0);
    expect([...hub.channels("default")]).toEqual([]);
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
    expect("session" in handshake("")).toBe(true);
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
    const { connect, hub } = setUp();
    const { socket, say } = connect(ALICE);
    taken(socket);
    say(`421["subscribe",{"channel":"${ALICE}"}]`, '422["subscribe",{"channel":"open:1"}]');
    expect(taken(socket)).toEqual([
      `431[{"ok":true,"channel":"${ALICE}"}]`,
      '432[{"ok":true,"channel":"open:1"}]',
    ]);
    hub.publish(publication("open:1"));
    expect(taken(socket)).toEqual(['42["open:1",1]']);
    say('423["unsubscribe",{"channel":"open:1"}]');
    expect(taken(socket)).toEqual(['433[{"ok":true,"channel":"open:1","wasSubscribed":true}]']);
    expect(hub.publish(publication("open:1"))).toBe(0);
  });

  test("to another's id, and to what no namespace opens, is refused with number 203", () => {
    const { connect, hub } = setUp();
    const { socket, say } = connect(ALICE);
    taken(socket);
    for (const channel of [BOB, "closed:1", "plain"]) {
      say(`421["subscribe",{"channel":"${channel}"}]`);
      expect(taken(socket)[0]).toContain('"code":203');
      expect(hub.publish(publication(channel))).toBe(0);
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
    const { connect, hub, counters } = setUp();
    const { socket } = connect(ALICE);
    taken(socket);
    expect(hub.disconnect("default", { user: ALICE })).toBe(1);
    expect(taken(socket)).toEqual(["41"]);
    expect(socket.closedWith?.code).toBe(4500);
    expect(counters.connections).toBe(0);
    expect([...hub.channels("default")]).toEqual([]);
  });
});

describe("the budget before authentication", () => {
  test("is whole again after clients that left in every possible way", () => {
    const { clock, handshake, open } = setUp({ maxHandshakes: 1 });
    const room = () => "session" in handshake("");
    const leave = [
      (client: ReturnType<typeof open>) => client.close(),
      (client: ReturnType<typeof open>) => client.say("garbage"),
      () => clock.advance(10_000),
      (client: ReturnType<typeof open>) => client.say("1"),
      (client: ReturnType<typeof open>) => {
        client.say("40");
        client.close();
      },
      (client: ReturnType<typeof open>) => {
        client.say("40", "41");
        client.close();
      },
    ];
    for (const way of leave) {
      const client = open();
      expect(room()).toBe(false);
      way(client);
      expect(room()).toBe(true);
    }
  });
});

describe("limits of an app", () => {
  test("on connections refuse the one too many with number 205, and make room again", () => {
    const { open } = setUp({ maxConnections: 1 });
    const connectToShop = () => {
      const client = open();
      client.say("40/shop,");
      return { ...client, answer: taken(client.socket)[0] };
    };
    const first = connectToShop();
    expect(first.answer).toStartWith('40/shop,{"sid"');
    expect(connectToShop().answer).toContain('"code":205');
    first.close();
    expect(connectToShop().answer).toStartWith('40/shop,{"sid"');
  });

  test("on channels refuse the one too many with number 206", () => {
    const { open } = setUp({ maxChannels: 1 });
    open(ALICE).say("40/shop,");
    const again = open(ALICE);
    again.say("40/shop,");
    expect(taken(again.socket)[0]).toStartWith('40/shop,{"sid"');
    const second = open(BOB);
    second.say("40/shop,");
    expect(taken(second.socket)[0]).toContain('"code":206');
  });
});

test("too many events a second are answered with number 108, and end the connection", () => {
  const { connect, counters } = setUp();
  const { socket, say } = connect(ALICE);
  for (let count = 0; count < 20; count++) say('42["unsubscribe",{"channel":"x"}]');
  taken(socket);
  say('421["unsubscribe",{"channel":"x"}]');
  expect(taken(socket)[0]).toContain('"code":108');
  expect(socket.closedWith?.code).toBe(4005);
  expect(counters.floods).toBe(1);
});

describe("a JWT", () => {
  const secret = "0123456789abcdef0123456789abcdef";

  async function withJwt() {
    const clock = new FakeClock();
    const jwt = await JwtVerifier.create({ secret, leewaySeconds: 0, clock });
    const issuer = new JwtIssuer({ secret, clock });
    const mint = async (ttlSeconds: number, user = ALICE, app = "default") =>
      (await issuer.mint({ user, app, ttlSeconds, permissions: { subscribe: ["news:*"] } })).token;
    return { ...setUp({ jwt, clock }), mint };
  }

  /** Lets the checks that are under way come to their end. */
  async function settled(socket: FakeSocket, packets: number): Promise<string[]> {
    for (let turn = 0; turn < 10_000 && socket.received.length < packets; turn++) {
      await new Promise((done) => setImmediate(done));
    }
    return taken(socket);
  }

  test("says who the client is and what it may do, and ends with the connection", async () => {
    const { clock, hub, connect, mint } = await withJwt();
    const { socket, say } = connect(undefined, `{"token":"${await mint(60)}"}`);
    expect((await settled(socket, 1))[0]).toStartWith('40{"sid"');
    hub.publish(publication(ALICE));
    expect(taken(socket)).toEqual([`42["${ALICE}",1]`]);
    say('421["subscribe",{"channel":"news:1"}]', '422["subscribe",{"channel":"other:1"}]');
    const [granted, refused] = taken(socket);
    expect(granted).toContain('"ok":true');
    expect(refused).toContain('"code":203');
    clock.advance(59_000);
    expect(socket.closedWith?.code).not.toBe(4004);
  });

  test("that runs out closes the connection with 4004, unless a fresh one came in time", async () => {
    const { clock, connect, mint } = await withJwt();
    const clients = [connect(undefined, `{"token":"${await mint(20)}"}`)];
    clients.push(connect(undefined, `{"token":"${await mint(20, BOB)}"}`));
    for (const { socket } of clients) await settled(socket, 1);
    const [lapsing, fresh] = clients;
    fresh?.say(`421["authenticate",{"token":"${await mint(40, BOB)}"}]`);
    expect((await settled(fresh?.socket as FakeSocket, 1))[0]).toStartWith('431[{"ok":true');
    clock.advance(20_000);
    expect(lapsing?.socket.closedWith?.code).toBe(4004);
    expect(fresh?.socket.isEnded).toBe(false);
  });

  test.each([
    ["of another app", "shop", undefined, 309],
    ["for another user than the address says", "default", BOB, 310],
  ])("%s is refused with its number", async (_what, app, user, code) => {
    const { connect, mint } = await withJwt();
    const { socket } = connect(user, `{"token":"${await mint(60, ALICE, app)}"}`);
    expect((await settled(socket, 1))[0]).toContain(`"code":${code}`);
  });

  test("that is none is 'invalid token'", async () => {
    const { connect } = await withJwt();
    for (const auth of ["", '{"token":"abc"}']) {
      expect((await settled(connect(ALICE, auth).socket, 1))[0]).toContain("invalid token");
    }
    const { socket } = connect(ALICE, '{"token":"a.b.c"}');
    expect((await settled(socket, 1))[0]).toContain('"code":306');
  });
});
