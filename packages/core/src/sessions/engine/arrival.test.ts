import { describe, expect, test } from "bun:test";
import { PublicationIds } from "../../broker/publication-ids.ts";
import type { Publication } from "../../hub/publication.ts";
import { ALICE, publication, recoverable } from "../../testing/channel-fixture.ts";
import { disconnected } from "../../testing/disconnected.ts";
import {
  ClusterClient,
  type ClusterSocket,
  SocketIoCluster,
} from "../../testing/socketio-cluster.ts";
import { turn } from "../../testing/turn.ts";
import { MOVE_TIMEOUT_MS } from "./session.ts";

interface Welcome {
  readonly sid: string;
  readonly pid: string;
}

interface HandOver {
  readonly channel?: string;
  /** Whether the session has not come to its new worker yet. */
  readonly isUnderWay?: boolean;
  /** What comes to its owner before that hands it over, and what comes to its new worker until it is there. */
  readonly before?: readonly Publication[];
  readonly meanwhile?: readonly Publication[];
}

/** A session that its owner has handed over to a worker that gets later what other nodes publish. */
async function handedOver(options: HandOver = {}) {
  const { channel = "kept:1", isUnderWay = false, before = [], meanwhile = [] } = options;
  const namespaces = { "": recoverable, kept: recoverable };
  const cluster = new SocketIoCluster({ namespaces });
  const [owner, other] = [cluster.worker(1), cluster.worker(2)];
  for (const { broker } of cluster.workers) broker.isOrdered = false;
  let said = 0;
  const publishOutside = () => {
    const id = PublicationIds.of("outside", ++said);
    const heard = { ...publication(channel, String(said)), id };
    for (const { broker } of cluster.workers) broker.hear(heard);
  };
  const opened = await cluster.settled(cluster.handshake(1, [], `&uniqueUserId=${ALICE}`));
  const polling = new ClusterClient(cluster, String(JSON.parse(opened.body.slice(1)).sid));
  await cluster.settled(polling.post(1, "40"));
  const was = welcome((await cluster.settled(polling.poll(1))).body);
  await cluster.settled(polling.post(1, `42["subscribe",{"channel":"${channel}"}]`));
  const socket = await cluster.settled(polling.webSocket(2));
  socket.say("2probe", "5");
  const lagging = other.broker.outside;
  const step = async () => {
    for (const link of cluster.links) if (link !== lagging) link.step();
    await turn();
  };
  for (let count = 0; count < 20 && lagging.isEmpty; count++) await step();
  // It is told that it has caught up, and asks for the session.
  while (!lagging.isEmpty) lagging.step();
  await turn();
  for (const each of before) owner.broker.hear(each);
  for (const each of meanwhile) other.broker.hear(each);
  if (channel === "open:1") publishOutside();
  const isOver = () => isUnderWay && owner.engine.sessions === 0;
  for (let count = 0; count < 20 && !isOver(); count++) await step();
  expect(owner.engine.sessions).toBe(0);
  expect(other.counters.sessionsMoved).toBe(0);
  return { cluster, owner, other, socket, was, publishOutside, step };
}

function welcome(packet: string): Welcome {
  return JSON.parse(packet.slice(2)) as Welcome;
}

const packets = ({ socket }: ClusterSocket) => socket.received.map(String);

const numbers = (socket: ClusterSocket) =>
  packets(socket)
    .filter((packet) => packet.startsWith("42"))
    .map((packet) => JSON.parse(packet.slice(2))[1]);

/** The client is back, and asks for what it had. */
async function comeBack(cluster: SocketIoCluster, { pid }: Welcome): Promise<ClusterSocket> {
  const back = await cluster.settled(cluster.webSocket(2, `uniqueUserId=${ALICE}`));
  back.say(`40${JSON.stringify({ pid })}`);
  await cluster.settle();
  return back;
}

const nameOf = (socket: ClusterSocket) =>
  welcome(packets(socket).find((packet) => packet.startsWith("40")) ?? "40{}").sid;

test("what the owner delivered before its new worker did is had once", async () => {
  const { cluster, other, socket, publishOutside } = await handedOver({ channel: "open:1" });
  publishOutside();
  await cluster.settle();
  publishOutside();
  await cluster.settle();
  expect(other.counters).toMatchObject({ connections: 1, sessionsMoved: 1, failedMoves: 0 });
  expect(numbers(socket)).toEqual([1, 2, 3]);
});

test("what the owner delivered is not missing behind what its new worker got before it", async () => {
  const heard = (channel: string, offset: number, cursor: string): Publication => ({
    ...publication(channel, String(offset)),
    ...{ position: { epoch: "e", offset }, cursor },
  });
  const before = [heard("kept:1", 1, "e.1")];
  const meanwhile = [heard(ALICE, 2, "e.2~B"), heard("kept:1", 1, "e.2"), heard(ALICE, 4, "e.4~B")];
  const { cluster, socket } = await handedOver({ before, meanwhile });
  await cluster.settle();
  const cursors = packets(socket)
    .filter((packet) => packet.startsWith("42["))
    .map((packet) => JSON.parse(packet.slice(2)).slice(1));
  expect(cursors).toEqual([
    [1, "e.1"],
    [2, "e.2"],
    [4, "e.4~B"],
  ]);
});

test("a client whose socket ends before its session is there comes back to what it had", async () => {
  const { cluster, owner, other, socket, was, step } = await handedOver();
  owner.hub.publishUnanswered(publication("kept:1", "1"));
  for (let count = 0; count < 4; count++) await step();
  socket.close();
  await cluster.settle();
  expect(other.engine.sessions).toBe(0);
  expect(other.counters.connections).toBe(0);
  const back = await comeBack(cluster, was);
  expect(nameOf(back)).toBe(was.sid);
  expect(numbers(back)).toEqual([1]);
});

describe("while a session is on its way from its owner", () => {
  /** What its client does not hear. */
  const missed = async () => {
    const all = await handedOver({ isUnderWay: true });
    all.owner.hub.publishUnanswered(publication("kept:1", "1"));
    return all;
  };

  const expectEverything = async ({ cluster, was }: Awaited<ReturnType<typeof missed>>) => {
    await cluster.settle();
    for (const { engine, counters } of cluster.workers) {
      expect([engine.sessions, counters.connections]).toEqual([0, 0]);
    }
    const back = await comeBack(cluster, was);
    expect(nameOf(back)).toBe(was.sid);
    expect(numbers(back)).toEqual([1]);
  };

  test("its client may lose its socket, and comes back to everything", async () => {
    const all = await missed();
    all.socket.close();
    await expectEverything(all);
  });

  test("it may be given up, and its client comes back to everything", async () => {
    const all = await missed();
    all.cluster.clock.advance(MOVE_TIMEOUT_MS);
    expect(all.socket.socket.closedWith?.code).toBe(4006);
    all.socket.close();
    await expectEverything(all);
  });

  test("it may be disconnected by the publisher, for good, also when its client has lost its socket", async () => {
    for (const isLost of [false, true]) {
      const { cluster, other, socket, was } = await handedOver({ isUnderWay: true });
      if (isLost) socket.close();
      expect(other.hub.disconnect("default", { connection: was.sid })).toEqual(disconnected(1));
      if (!isLost) expect(packets(socket).at(-1)).toBe("41");
      socket.close();
      await cluster.settle();
      expect(other.counters.connections).toBe(0);
      expect(nameOf(await comeBack(cluster, was))).not.toBe(was.sid);
    }
  });
});

test("a worker that does not catch up in time sends its client back, which has missed nothing", async () => {
  const { cluster, owner, other, socket, was, step } = await handedOver();
  owner.hub.publishUnanswered(publication("kept:1", "1"));
  for (let count = 0; count < 4; count++) await step();
  cluster.clock.advance(MOVE_TIMEOUT_MS);
  expect(socket.socket.closedWith?.code).toBe(4007);
  expect(numbers(socket)).toEqual([]);
  await cluster.settle();
  expect(other.counters).toMatchObject({ connections: 0, sessionsMoved: 0, failedMoves: 1 });
  const back = await comeBack(cluster, was);
  expect(nameOf(back)).toBe(was.sid);
  expect(numbers(back)).toEqual([1]);
});

test("a worker that cannot catch up sends its client back at once", async () => {
  const { cluster, other, socket, was } = await handedOver();
  other.broker.isCutOff = true;
  await cluster.settle();
  expect(socket.socket.closedWith?.code).toBe(4007);
  other.broker.isCutOff = false;
  expect(nameOf(await comeBack(cluster, was))).toBe(was.sid);
});

test("a disconnect by the publisher before the session is there ends it for good", async () => {
  const { cluster, other, socket, was } = await handedOver();
  expect(other.hub.disconnect("default", { connection: was.sid })).toEqual(disconnected(1));
  expect(packets(socket).at(-1)).toBe("41");
  expect(socket.socket.isEnded).toBe(true);
  await cluster.settle();
  expect(other.counters.connections).toBe(0);
  expect(nameOf(await comeBack(cluster, was))).not.toBe(was.sid);
});
