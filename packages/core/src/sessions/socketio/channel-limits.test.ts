import { describe, expect, test } from "bun:test";
import { JwtVerifier } from "../../auth/jwt.ts";
import { JwtIssuer } from "../../auth/jwt-issuer.ts";
import { ALICE, BOB, publication, setUp, taken } from "../../testing/channel-fixture.ts";
import { FakeClock } from "../../testing/fake-clock.ts";

describe("the budget before authentication", () => {
  test("is whole again after clients that left in every possible way", () => {
    const { clock, handshake, open } = setUp({ maxHandshakes: 1 });
    const room = () => "handler" in handshake("");
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
    again.say('42/shop,1["unsubscribe",{"channel":"x"}]');
    expect(taken(again.socket)[0]).toContain('"ok":true');
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
    const channels = setUp({ jwt, clock });
    /** What the client gets once the checks that are under way have come to their end. */
    const settled = async ({ socket }: ReturnType<typeof channels.open>): Promise<string[]> => {
      await channels.settle();
      return taken(socket);
    };
    return { ...channels, mint, settled };
  }

  test("says who the client is and what it may do, and ends with the connection", async () => {
    const { clock, publish, connect, mint, settled } = await withJwt();
    const client = connect(undefined, `{"token":"${await mint(60)}"}`);
    const { socket, say } = client;
    expect((await settled(client))[0]).toStartWith('40{"sid"');
    publish(publication(ALICE));
    expect(taken(socket)).toEqual([`42["${ALICE}",1]`]);
    say('421["subscribe",{"channel":"news:1"}]', '422["subscribe",{"channel":"other:1"}]');
    const [granted, refused] = taken(socket);
    expect(granted).toContain('"ok":true');
    expect(refused).toContain('"code":203');
    clock.advance(59_000);
    expect(socket.closedWith?.code).not.toBe(4004);
  });

  test("that runs out closes the connection with 4004, unless a fresh one came in time", async () => {
    const { clock, connect, mint, settled } = await withJwt();
    const lapsing = connect(undefined, `{"token":"${await mint(20)}"}`);
    const fresh = connect(undefined, `{"token":"${await mint(20, BOB)}"}`);
    for (const client of [lapsing, fresh]) await settled(client);
    fresh.say(`421["authenticate",{"token":"${await mint(40, BOB)}"}]`);
    expect((await settled(fresh))[0]).toStartWith('431[{"ok":true');
    clock.advance(20_000);
    expect(lapsing.socket.closedWith?.code).toBe(4004);
    expect(fresh.socket.isEnded).toBe(false);
  });

  test("that is checked when its client is gone already leaves nothing behind", async () => {
    const { clock, connect, mint, settle } = await withJwt();
    const { say, close } = connect(undefined, `{"token":"${await mint(20)}"}`);
    await settle();
    say(`421["authenticate",{"token":"${await mint(40)}"}]`);
    close();
    await settle();
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([
    ["of another app", "shop", undefined, 309],
    ["for another user than the address says", "default", BOB, 310],
  ])("%s is refused with its number", async (_what, app, user, code) => {
    const { connect, mint, settled } = await withJwt();
    const client = connect(user, `{"token":"${await mint(60, ALICE, app)}"}`);
    expect((await settled(client))[0]).toContain(`"code":${code}`);
  });

  test("that is none is 'invalid token'", async () => {
    const { connect, settled } = await withJwt();
    for (const auth of ["", '{"token":"abc"}']) {
      expect((await settled(connect(ALICE, auth)))[0]).toContain("invalid token");
    }
    expect((await settled(connect(ALICE, '{"token":"a.b.c"}')))[0]).toContain('"code":306');
  });
});
