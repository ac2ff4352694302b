import { describe, expect, test } from "bun:test";
import { JwtVerifier } from "../../auth/jwt.ts";
import { JwtIssuer } from "../../auth/jwt-issuer.ts";
import { ALICE, BOB, publication } from "../../testing/channel-fixture.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { type ClusterSettings, SocketIoCluster } from "../../testing/socketio-cluster.ts";
import { turn } from "../../testing/turn.ts";

function setUp(settings: ClusterSettings = {}) {
  const cluster = new SocketIoCluster(settings);
  /** A WebSocket that asked to be connected. */
  const connect = async (worker: number, user = ALICE, packet = "40") => {
    const socket = await open(worker, user);
    socket.say(packet);
    await cluster.settle();
    return socket;
  };
  const open = (worker: number, user = ALICE) =>
    cluster.settled(cluster.webSocket(worker, `uniqueUserId=${user}`));
  return { cluster, connect, open };
}

describe("on several workers", () => {
  test("an address has one rate", async () => {
    const { cluster } = setUp({ perAddress: 2 });
    const handshakes = [1, 2, 1].map((worker) => cluster.handshake(worker));
    await cluster.settle();
    const statuses = (await Promise.all(handshakes)).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 429]);
    const refused = cluster.webSocket(2, "").catch(String);
    expect(await cluster.settled(refused)).toContain("rate limit block");
    expect(cluster.worker(1).counters.refusedHandshakes).toBe(1);
    expect(cluster.worker(2).counters.refusedHandshakes).toBe(1);
  });

  test("a user has one rate", async () => {
    const { connect } = setUp({ perUser: 1 });
    const answers = [await connect(1), await connect(2), await connect(2, BOB)];
    const [first, second, third] = answers.map(({ socket }) => String(socket.received[1]));
    expect(first).toStartWith('40{"sid"');
    expect(second).toContain('"message":"rate limit block"');
    expect(third).toStartWith('40{"sid"');
  });

  test("an app has one limit on connections, and each that leaves makes room", async () => {
    const { connect, cluster } = setUp({ maxConnections: 1 });
    const first = await connect(1, ALICE, "40/shop,");
    expect(String((await connect(2, BOB, "40/shop,")).socket.received[1])).toContain('"code":205');
    first.close();
    await cluster.settle();
    const next = await connect(2, BOB, "40/shop,");
    expect(String(next.socket.received[1])).toStartWith('40/shop,{"sid"');
  });

  test("who was let in has the channel of their own name, though others wanted the last one too", async () => {
    const { open, cluster } = setUp({ maxChannels: 1 });
    const [first, second] = [await open(1, ALICE), await open(2, BOB)];
    first.say("40/shop,");
    second.say("40/shop,");
    const { up, down } = cluster.worker(1).broker;
    for (let count = 0; count < 4; count++) {
      up.step();
      await turn();
      down.step();
      await turn();
    }
    await cluster.settle();
    expect(first.socket.isEnded).toBe(false);
    expect(second.socket.isEnded).toBe(false);
    const third = await open(1, "00000000-0000-4000-8000-000000000003");
    third.say("40/shop,");
    await cluster.settle();
    expect(String(third.socket.received.at(-1))).toContain("app_channels_full");
  });
});

describe("while the node is asked", () => {
  test("handshakes count against those that may be under way", async () => {
    const { cluster } = setUp({ maxHandshakes: 1 });
    const first = cluster.handshake(1);
    const second = await cluster.handshake(1);
    expect(second.status).toBe(503);
    expect((await cluster.settled(first)).status).toBe(200);
    expect((await cluster.handshake(1)).status).toBe(503);
    cluster.clock.advance(10_000);
    expect((await cluster.settled(cluster.handshake(1))).status).toBe(200);
  });

  test("a client without a namespace counts until it is connected", async () => {
    const { cluster, open } = setUp({ maxHandshakes: 1 });
    const socket = await open(1);
    socket.say("40");
    await turn();
    expect((await cluster.handshake(1)).status).toBe(503);
    await cluster.settle();
    expect((await cluster.settled(cluster.handshake(1))).status).toBe(200);
  });

  test("a polling client that goes away leaves nothing behind", async () => {
    const { cluster } = setUp();
    const aborts: (() => void)[] = [];
    const handshake = cluster.handshake(1, aborts);
    for (const abort of aborts) abort();
    expect((await cluster.settled(handshake)).status).toBe(400);
    expect(cluster.worker(1).engine.sessions).toBe(0);
    expect(cluster.clock.pendingTimers).toBe(0);
  });

  test("a client that goes away before it is connected leaves nothing behind", async () => {
    const { cluster, open } = setUp();
    const socket = await open(1);
    socket.say("40");
    await turn();
    socket.close();
    await cluster.settle();
    expect(cluster.worker(1).counters.connections).toBe(0);
    expect(cluster.worker(1).engine.sessions).toBe(0);
    // The others were told to expect a subscriber.
    cluster.clock.advance(10_000);
    expect(cluster.clock.pendingTimers).toBe(0);
  });

  test("a handshake is refused when the worker stops taking new sessions meanwhile", async () => {
    const { cluster } = setUp();
    const polling = cluster.handshake(1);
    const socket = cluster.webSocket(1, "").catch(String);
    cluster.worker(1).engine.refuseNew();
    await cluster.settle();
    expect((await polling).body).toContain("shutting_down");
    expect(await socket).toContain("shutting_down");
    expect(cluster.worker(1).engine.sessions).toBe(0);
  });
});

test("what a token allows, and how long, goes with the session to another worker", async () => {
  const clock = new FakeClock();
  const secret = "0123456789abcdef0123456789abcdef";
  const jwt = await JwtVerifier.create({ secret, leewaySeconds: 0, clock });
  const permissions = { subscribe: ["plain*"] };
  const { token } = await new JwtIssuer({ secret, clock }).mint({
    user: ALICE,
    app: "default",
    ttlSeconds: 20,
    permissions,
  });
  const cluster = new SocketIoCluster({ jwt, clock });
  const client = await cluster.client();
  await cluster.settled(client.post(1, `40{"token":"${token}"}`));
  const socket = await cluster.settled(client.webSocket(2));
  await cluster.settle();
  socket.say("2probe", "5");
  await cluster.settle();
  socket.say('421["subscribe",{"channel":"plain"}]', '422["subscribe",{"channel":"other"}]');
  await cluster.settle();
  cluster.worker(1).hub.publishUnanswered(publication("plain"));
  await cluster.settle();
  const [refused, granted, event] = socket.socket.received.slice(-3).map(String);
  expect(granted).toContain('"ok":true');
  expect(refused).toContain('"code":203');
  expect(event).toBe('42["plain",1]');
  clock.advance(19_000);
  expect(socket.socket.isEnded).toBe(false);
  clock.advance(1_000);
  expect(socket.socket.closedWith?.code).toBe(4004);
});
