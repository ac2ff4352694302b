import { describe, expect, test } from "bun:test";
import { ALICE, publication } from "../../testing/channel-fixture.ts";
import {
  type ClusterClient,
  type ClusterSettings,
  type ClusterSocket,
  SocketIoCluster,
} from "../../testing/socketio-cluster.ts";
import { turn } from "../../testing/turn.ts";
import { GAP_MS } from "./owner.ts";

async function setUp(settings: ClusterSettings = {}, user?: string, namespace?: string) {
  const cluster = new SocketIoCluster({ workers: 3, ...settings });
  const client = await cluster.client(user, namespace);
  const [owner, other, third] = [1, 2, 3].map((number) => cluster.worker(number));
  if (owner === undefined || other === undefined || third === undefined) throw new Error();
  const publish = (data: string, channel = "open:1", worker = 3) => {
    cluster.worker(worker).hub.publishUnanswered(publication(channel, data));
  };
  const open = (worker = 2) => cluster.settled(client.webSocket(worker));
  const move = async (worker = 2) => {
    const socket = await open(worker);
    await cluster.settle();
    socket.say("2probe", "5");
    await cluster.settle();
    return socket;
  };
  return { cluster, client, owner, other, third, publish, open, move };
}

async function subscribed() {
  const all = await setUp();
  await all.cluster.settled(all.client.post(1, '42["subscribe",{"channel":"open:1"}]'));
  return all;
}

const events = ({ socket }: ClusterSocket) => socket.received.map(String).slice(1);
const bodyOf = async (cluster: SocketIoCluster, client: ClusterClient) =>
  (await cluster.settled(client.poll(1))).body;

describe("a session that moved to another worker", () => {
  test("receives there, is told of a ping at once, and is of its worker in every way", async () => {
    const { cluster, owner, other, publish, move } = await subscribed();
    publish("1");
    await cluster.settle();
    const socket = await move();
    expect(socket.socket.received[0]).toBe("3probe");
    publish("2");
    await cluster.settle();
    expect(events(socket)).toEqual(['42["open:1",1]', "2", '42["open:1",2]']);
    expect(owner.engine.sessions).toBe(0);
    expect(owner.counters.connections).toBe(0);
    expect(other.engine.sessions).toBe(1);
    expect(other.counters).toMatchObject({ connections: 1, sessionsMoved: 1, failedMoves: 0 });
    socket.close();
    await cluster.settle();
    expect(other.engine.sessions).toBe(0);
    expect(other.counters.connections).toBe(0);
    expect(cluster.clock.pendingTimers).toBe(0);
  });

  test("is not given once more what its new worker gets late, before it has caught up", async () => {
    for (let steps = 0; steps < 10; steps++) {
      const { cluster, client, other, publish, third, open } = await subscribed();
      const late = publication("open:1", "1");
      third.hub.publishUnanswered(late);
      await cluster.settle();
      expect(await bodyOf(cluster, client)).toContain('["open:1",1]');
      const socket = await open();
      socket.say("2probe", "5");
      for (let step = 0; step < steps; step++) {
        for (const link of cluster.links) link.step();
        await turn();
      }
      other.broker.hear(late);
      await cluster.settle();
      publish("2");
      await cluster.settle();
      expect(events(socket).filter((event) => event !== "2")).toEqual(['42["open:1",2]']);
    }
  });

  test("is pinged there, and closed when it does not answer", async () => {
    const { cluster, other, move } = await subscribed();
    const { socket } = await move();
    cluster.clock.advance(25_000);
    expect(socket.received.at(-1)).toBe("2");
    cluster.clock.advance(25_000);
    expect(socket.closedWith?.code).toBe(4002);
    expect(other.counters.connections).toBe(0);
  });

  test("keeps its id, its own channel and what it may still emit", async () => {
    const { cluster, client, publish, owner, move } = await setUp({}, ALICE);
    const [id] = owner.hub.subscribers().map((subscriber) => subscriber.id);
    // Twenty at once are allowed.
    const emit = '42["unsubscribe",{"channel":"x"}]';
    for (let count = 0; count < 18; count++) await cluster.settled(client.post(1, emit));
    const socket = await move();
    expect(
      cluster
        .worker(2)
        .hub.subscribers()
        .map((each) => each.id),
    ).toEqual([id ?? ""]);
    publish("1", ALICE);
    await cluster.settle();
    expect(events(socket).at(-1)).toBe(`42["${ALICE}",1]`);
    socket.say(emit, emit);
    expect(socket.socket.isEnded).toBe(false);
    socket.say(emit);
    expect(socket.socket.closedWith?.code).toBe(4005);
  });

  test("goes on with a packet that was half read", async () => {
    const { cluster, client, move } = await subscribed();
    const head = '451-["publish",{"channel":"open:1","data":{"_placeholder":true,"num":0}}]';
    await cluster.settled(client.post(1, head));
    const socket = await move();
    const part = new Uint8Array([1, 2, 3]);
    socket.say(part);
    expect(socket.socket.received.slice(-2)).toEqual([
      '451-["message",{"_placeholder":true,"num":0}]',
      part,
    ]);
  });

  test("has the answers that were still to come", async () => {
    const { cluster, client, owner, open } = await subscribed();
    const socket = await open();
    await cluster.settle();
    const posted = client.post(1, '427["publish",{"channel":"open:1","data":1}]');
    await turn();
    socket.say("2probe", "5");
    // The question of the move gets to the owner before the answer to the publication does.
    cluster.worker(2).broker.up.step();
    await turn();
    owner.broker.down.step();
    await cluster.settle();
    expect((await posted).body).toBe("ok");
    expect(events(socket)).toContain('437[{"ok":true,"subscribers":1}]');
  });

  test("handles what its client sent on the socket meanwhile, in order, after it arrived", async () => {
    const { cluster, open } = await subscribed();
    const socket = await open();
    await cluster.settle();
    socket.say("2probe", "5", '421["subscribe",{"channel":"open:2"}]');
    socket.say('422["unsubscribe",{"channel":"open:2"}]');
    await cluster.settle();
    expect(events(socket)).toEqual([
      "2",
      '432[{"ok":true,"channel":"open:2","wasSubscribed":true}]',
      // Told once the other workers know that there is a subscriber.
      '431[{"ok":true,"channel":"open:2"}]',
    ]);
  });

  test("answers late requests and sockets with a refusal, wherever they come", async () => {
    const { cluster, client, move } = await subscribed();
    const socket = await move();
    for (const worker of [1, 2, 3]) {
      expect((await cluster.settled(client.poll(worker))).status).toBe(400);
      expect((await cluster.settled(client.post(worker, "4late"))).status).toBe(400);
    }
    const second = await cluster.settled(client.webSocket(2));
    expect(second.socket.closedWith?.code).toBe(4501);
    for (const worker of [1, 3]) {
      const refused = client.webSocket(worker).catch(String);
      expect(await cluster.settled(refused)).toContain("Session ID unknown");
    }
    expect(socket.socket.isEnded).toBe(false);
  });

  test("is not refused for the limit of its app, and makes room when it ends", async () => {
    const { cluster, move } = await setUp({ maxConnections: 1 }, undefined, "/shop,");
    const socket = await move();
    expect(events(socket)).toEqual(["2"]);
    const refused = await cluster.client(undefined, "/shop,");
    expect(cluster.worker(1).counters.refusedConnects).toBe(1);
    socket.close();
    await cluster.settle();
    await cluster.settled(refused.post(1, "40/shop,"));
    expect(await bodyOf(cluster, refused)).toContain('40/shop,{"sid"');
  });

  test("without a namespace has to connect there in time", async () => {
    const cluster = new SocketIoCluster({ workers: 2 });
    const client = await cluster.client();
    await cluster.settled(client.post(1, "41"));
    const socket = await cluster.settled(client.webSocket(2));
    await cluster.settle();
    socket.say("2probe", "5");
    await cluster.settle();
    cluster.clock.advance(10_000);
    expect(socket.socket.closedWith?.code).toBe(4003);
  });
});

describe("a socket at another worker", () => {
  test("is refused for a session that nobody knows, or whose worker is gone", async () => {
    const { cluster, client, owner } = await subscribed();
    owner.broker.leave();
    const refused = client.webSocket(2).catch(String);
    expect(await cluster.settled(refused)).toContain("Session ID unknown");
  });

  test("lets the poll that waits go after a moment, and polling goes on", async () => {
    const { cluster, client, open } = await subscribed();
    const poll = client.poll(3);
    await open();
    await cluster.settle();
    cluster.clock.advance(100);
    expect((await cluster.settled(poll)).body).toBe("6");
  });

  test("is closed while another tests the way", async () => {
    const { cluster, open } = await subscribed();
    const first = await open(2);
    await cluster.settle();
    for (const worker of [1, 2, 3]) {
      const second = await open(worker);
      await cluster.settle();
      expect(second.socket.closedWith?.code).toBe(4501);
    }
    first.say("2probe", "5");
    await cluster.settle();
    expect(events(first)).toEqual(["2"]);
  });

  test("is closed when it sends anything but the probe", async () => {
    const { cluster, client, publish, open } = await subscribed();
    const socket = await open();
    socket.say("4hello");
    await cluster.settle();
    expect(socket.socket.isTerminated).toBe(true);
    publish("1");
    expect(await bodyOf(cluster, client)).toBe('42["open:1",1]');
    // Another may then try.
    const next = await open(3);
    await cluster.settle();
    next.say("2probe");
    expect(next.socket.received).toEqual(["3probe"]);
  });

  test("that does not go on in ten seconds is closed, and polling goes on", async () => {
    const { cluster, client, publish, open } = await subscribed();
    const socket = await open();
    await cluster.settle();
    socket.say("2probe");
    cluster.clock.advance(10_000);
    await cluster.settle();
    expect(socket.socket.closedWith?.code).toBe(4006);
    publish("1");
    expect(await bodyOf(cluster, client)).toBe('42["open:1",1]');
  });

  test("that goes on in the last moment still gets the session", async () => {
    const { cluster, other, open } = await subscribed();
    const socket = await open();
    await cluster.settle();
    socket.say("2probe");
    cluster.clock.advance(9_999);
    socket.say("5");
    cluster.clock.advance(5_000);
    await cluster.settle();
    expect(socket.socket.isEnded).toBe(false);
    expect(other.counters.sessionsMoved).toBe(1);
  });

  test("that keeps sending while the session moves is closed", async () => {
    const { cluster, open, owner, other } = await subscribed();
    const socket = await open();
    await cluster.settle();
    socket.say("2probe", "5");
    for (let count = 0; count < 40; count++) socket.say(`4${"x".repeat(50)}`);
    expect(socket.socket.closedWith?.code).toBe(4005);
    await cluster.settle();
    expect(other.counters).toMatchObject({ connections: 0, failedMoves: 1 });
    expect(owner.engine.sessions).toBe(0);
  });
});

/** Lets so many messages arrive after the upgrade packet; a whole move takes eight. */
async function steps(cluster: SocketIoCluster, count: number): Promise<void> {
  await turn();
  for (let taken = 0; taken < count; ) {
    const link = cluster.links.find(({ isEmpty }) => !isEmpty);
    if (link === undefined) return;
    link.step();
    taken++;
    await turn();
  }
}

describe.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])("after %i steps of a move", (count) => {
  const begun = async () => {
    const all = await subscribed();
    const socket = await all.open();
    await all.cluster.settle();
    socket.say("2probe", "5");
    await steps(all.cluster, count);
    return { ...all, socket };
  };

  test("the end of the socket ends the session only where it has moved", async () => {
    const { cluster, client, owner, other, publish, socket } = await begun();
    socket.close();
    await cluster.settle();
    expect(other.counters.connections).toBe(0);
    expect(other.engine.sessions).toBe(0);
    expect(owner.engine.sessions).toBe(owner.counters.connections);
    publish("1");
    await cluster.settle();
    const { body } = await cluster.settled(client.poll(1));
    if (owner.engine.sessions === 1) expect(body).toBe('42["open:1",1]');
    else expect(body).toContain("Session ID unknown");
  });

  test("the death of the owner brings the client back", async () => {
    const { cluster, owner, other, publish, socket } = await begun();
    owner.broker.leave();
    await cluster.settle();
    publish("1");
    await cluster.settle();
    const hasArrived = other.counters.sessionsMoved === 1;
    expect(socket.socket.closedWith?.code).toBe(hasArrived ? undefined : 4006);
    expect(other.counters.connections).toBe(hasArrived ? 1 : 0);
    if (hasArrived) expect(events(socket).at(-1)).toBe('42["open:1",1]');
  });

  test("an owner that answers no more is given up", async () => {
    const { cluster, other, socket } = await begun();
    cluster.clock.advance(10_000);
    await turn();
    const hasArrived = other.counters.sessionsMoved === 1;
    expect(socket.socket.closedWith?.code).toBe(hasArrived ? undefined : 4006);
    await cluster.settle();
    expect(other.counters.connections).toBe(hasArrived ? 1 : 0);
  });

  test("a disconnect by the publisher reaches the client, wherever its session is", async () => {
    const { cluster, owner, other, socket } = await begun();
    const [id = ""] = [...owner.hub.subscribers(), ...other.hub.subscribers()].map((s) => s.id);
    const disconnected = cluster.worker(3).hub.disconnect("default", { connection: id });
    await cluster.settled(disconnected);
    expect(events(socket)).toContain("41");
    expect(socket.socket.isEnded).toBe(true);
    expect(other.counters.connections + owner.counters.connections).toBe(0);
  });

  test("a gap at the owner keeps the session there, to be closed", async () => {
    const { cluster, owner, other, socket } = await begun();
    if (owner.engine.sessions === 0) return;
    owner.handlers.missed();
    await cluster.settle();
    expect(other.counters.sessionsMoved).toBe(0);
    expect(socket.socket.closedWith?.code).toBe(4007);
  });

  test("a gap at either worker closes the client, which comes back", async () => {
    for (const number of [1, 2]) {
      const { cluster, other, socket } = await begun();
      cluster.worker(number).handlers.missed();
      cluster.clock.advance(100);
      await cluster.settle();
      cluster.clock.advance(GAP_MS / 2);
      await cluster.settle();
      const isFollowedElsewhere = number === 1 && other.counters.sessionsMoved === 1;
      expect(socket.socket.isEnded).toBe(!isFollowedElsewhere);
    }
  });

  test("a publication too many to wait for closes the client, which comes back", async () => {
    const { cluster, owner, other, publish, socket } = await begun();
    if (other.counters.connections === 0 || other.counters.sessionsMoved === 1) return;
    for (let n = 0; n < 40; n++) publish(`"${"x".repeat(50)}"`, "open:1", 2);
    expect(socket.socket.closedWith?.code).toBe(4001);
    await cluster.settle();
    expect(other.counters).toMatchObject({ connections: 0, slowConsumers: 1, failedMoves: 1 });
    expect(owner.engine.sessions).toBe(0);
  });
});

describe("after a gap at its owner", () => {
  test("a session that was there goes on polling until it is closed", async () => {
    const { cluster, client, owner, other, publish, open } = await subscribed();
    owner.handlers.missed();
    const socket = await open();
    await cluster.settle();
    socket.say("2probe", "5");
    await cluster.settle();
    expect(socket.socket.isEnded).toBe(true);
    publish("1");
    await cluster.settle();
    expect(await bodyOf(cluster, client)).toBe('42["open:1",1]');
    expect(owner.counters.connections + other.counters.connections).toBe(1);
    const waiting = client.poll(2);
    cluster.clock.advance(GAP_MS / 2);
    expect((await cluster.settled(waiting)).body).toBe("1");
  });

  test("a session that began behind it moves at once", async () => {
    const { cluster, owner, other } = await setUp();
    owner.handlers.missed();
    cluster.clock.advance(1);
    const client = await cluster.client();
    const socket = await cluster.settled(client.webSocket(2));
    await cluster.settle();
    socket.say("2probe", "5");
    await cluster.settle();
    expect(socket.socket.isEnded).toBe(false);
    expect(other.counters.sessionsMoved).toBe(1);
  });
});

test("a session that receives more while it moves than its owner can tell of comes back anew", async () => {
  const { cluster, client, owner, other, open } = await setUp({ slowConsumerBytes: 2 ** 24 });
  await cluster.settled(client.post(1, '42["subscribe",{"channel":"open:1"}]'));
  const socket = await open();
  await cluster.settle();
  socket.say("2probe", "5");
  // Followed from here on.
  while (other.counters.connections === 0) await steps(cluster, 1);
  for (let n = 0; n < 65_536; n++) {
    owner.hub.publishUnanswered(publication("open:1", "1"));
    while (!owner.broker.up.isEmpty) owner.broker.up.step();
    while (!other.broker.down.isEmpty) other.broker.down.step();
  }
  await cluster.settle();
  expect(socket.socket.closedWith?.code).toBe(4006);
  expect(other.counters).toMatchObject({ sessionsMoved: 0, failedMoves: 1, connections: 0 });
});
