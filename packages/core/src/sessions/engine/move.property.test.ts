import { expect, test } from "bun:test";
import fc from "fast-check";
import { PublicationIds } from "../../broker/publication-ids.ts";
import { sizeOf } from "../../hub/one-or-many.ts";
import { ALICE } from "../../testing/channel-fixture.ts";
import {
  type ClusterClient,
  type ClusterSocket,
  SocketIoCluster,
} from "../../testing/socketio-cluster.ts";
import { turn } from "../../testing/turn.ts";

const CHANNELS = ["open:a", "open:b"] as const;

/**
 * The stock client's order of things: it polls, opens a socket beside, stops polling once the probe
 * is answered, and sends the upgrade packet when its last poll is.
 */
class Client {
  readonly received: string[] = [];
  readonly #cluster: SocketIoCluster;
  readonly #client: ClusterClient;
  readonly #socketWorker: number;
  #isPolling = false;
  #opening: Promise<void> | undefined;
  #socket: ClusterSocket | undefined;
  #step: "polling" | "opened" | "probed" | "upgraded" = "polling";

  constructor(cluster: SocketIoCluster, client: ClusterClient, socketWorker: number) {
    this.#cluster = cluster;
    this.#client = client;
    this.#socketWorker = socketWorker;
  }

  get socket(): ClusterSocket {
    if (this.#socket === undefined) throw new Error("there is no socket yet");
    return this.#socket;
  }

  poll(worker: number): void {
    if (this.#isPolling || this.#isAnswered) return;
    this.#isPolling = true;
    Promise.resolve(this.#client.poll(worker)).then(
      ({ body }) => {
        this.#isPolling = false;
        this.received.push(...body.split("\x1e"));
      },
      (error) => this.received.push(`42${error}`),
    );
  }

  /** The next step of the upgrade, where it is its turn. */
  upgrade(): void {
    if (this.#step === "polling") {
      this.#opening ??= this.#client.webSocket(this.#socketWorker).then((socket) => {
        this.#socket = socket;
        this.#step = "opened";
      });
    } else if (this.#step === "opened") {
      this.socket.say("2probe");
      this.#step = "probed";
    } else if (this.#step === "probed" && this.#isAnswered && !this.#isPolling) {
      this.socket.say("5");
      this.#step = "upgraded";
    }
  }

  /** Everything, in the order in which the client sees it. */
  get seen(): readonly string[] {
    const frames = (this.#socket?.socket.received ?? []).map(String);
    return [...this.received, ...frames].filter((packet) => packet.startsWith("42"));
  }

  async finish(): Promise<void> {
    for (let step = 0; step < 5; step++) await this.hurry();
    expect(this.#step).toBe("upgraded");
  }

  /** Takes the next step of the upgrade, and lets all that comes of it happen. */
  async hurry(): Promise<void> {
    this.upgrade();
    this.#cluster.clock.advance(100);
    await this.#cluster.settle();
  }

  get #isAnswered(): boolean {
    return this.#socket?.socket.received.includes("3probe") ?? false;
  }
}

interface Publisher {
  readonly worker: number;
  readonly expected: string[];
}

/** What a client saw of one publisher. */
const ofPublisher = (seen: readonly string[], { worker }: Publisher) =>
  seen.filter((packet) => packet.includes(`"p${worker}-`));

test.each([
  ["a worker that also publishes", 2, 3],
  ["the only other worker", 2, 2],
])("a session that moves to %s loses, doubles and reorders nothing", async (_who, to, workers) => {
  let moved = 0;
  const schedule = fc.array(fc.nat({ max: 10_000 }), { minLength: 80, maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 3 }), schedule, async (stepsBefore, choices) => {
      const cluster = new SocketIoCluster({ workers, slowConsumerBytes: 1_000_000 });
      const polling = await cluster.client();
      for (const channel of CHANNELS) {
        await cluster.settled(polling.post(1, `42["subscribe",{"channel":"${channel}"}]`));
      }
      const client = new Client(cluster, polling, to);
      for (let step = 0; step < stepsBefore; step++) await client.hurry();
      const publishers = cluster.workers.map((_, index) => ({ worker: index + 1, expected: [] }));
      const outside: Publisher = { worker: 0, expected: [] };
      const actions = [
        ...cluster.links.flatMap((link) => [
          () => link.step(),
          () => link.step(),
          () => link.step(),
        ]),
        ...publishers.flatMap((publisher) => [
          () => publish(cluster, publisher, [CHANNELS[0]]),
          () => publish(cluster, publisher, CHANNELS),
        ]),
        () => publishOutside(cluster, outside),
        () => publishOutside(cluster, outside),
        ...cluster.workers.map((_, index) => () => client.poll(index + 1)),
        () => client.upgrade(),
        () => client.upgrade(),
        () => cluster.clock.advance(100),
      ];
      for (const choice of choices) {
        actions[choice % actions.length]?.();
        await turn();
      }
      await client.finish();
      for (const publisher of publishers) publish(cluster, publisher, CHANNELS);
      publishOutside(cluster, outside);
      await cluster.settle();

      for (const publisher of [...publishers, outside]) {
        expect(ofPublisher(client.seen, publisher)).toEqual(publisher.expected);
      }
      expect(cluster.worker(1).counters.connections).toBe(0);
      expect(cluster.worker(to).counters.connections).toBe(1);
      moved += cluster.worker(to).counters.sessionsMoved;
    }),
    { seed: 11, numRuns: 150 },
  );
  expect(moved).toBeGreaterThan(100);
});

test.each([
  ["the worker that it leaves", 1, 2],
  ["the worker that it comes to", 2, 1],
])("a session that moves gets once what came late to %s", async (_who, late, early) => {
  const cluster = new SocketIoCluster({ workers: 2, slowConsumerBytes: 1_000_000 });
  const polling = await cluster.client();
  await cluster.settled(polling.post(1, `42["subscribe",{"channel":"${CHANNELS[0]}"}]`));
  const socket = await cluster.settled(polling.webSocket(2));
  const outside: Publisher = { worker: 0, expected: [] };
  publishOutside(cluster, outside);
  cluster.worker(early).broker.outside.step();
  socket.say("2probe", "5");
  const lagging = cluster.worker(late).broker.outside;
  for (let step = 0; step < 40; step++) {
    for (const link of cluster.links) if (link !== lagging) link.step();
    await turn();
  }
  publishOutside(cluster, outside);
  await cluster.settle();
  expect(cluster.worker(2).counters.sessionsMoved).toBe(1);
  expect(ofPublisher(socket.socket.received.map(String), outside)).toEqual(outside.expected);
});

test("a session is not torn from what its client asked by polling while it moves", async () => {
  let asked = 0;
  const choices = fc.array(fc.nat({ max: 10_000 }), { minLength: 40, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 9 }), choices, async (before, [...rest]) => {
      // With a limit, a connect has to ask the node twice.
      const limits = { slowConsumerBytes: 1_000_000, maxConnections: 9 };
      const cluster = new SocketIoCluster({ workers: 2, ...limits });
      const [owner, other] = [cluster.worker(1), cluster.worker(2)];
      const polling = await cluster.client(ALICE);
      const socket = await cluster.settled(polling.webSocket(2));
      await cluster.settle();
      socket.say("2probe", "5");
      const step = async (choice: number) => {
        const busy = cluster.links.filter(({ isEmpty }) => !isEmpty);
        busy[choice % busy.length]?.step();
        await turn();
      };
      for (const choice of rest.splice(0, before)) await step(choice);
      // The stock client has nothing on its way at that time; others may.
      const posted = polling.post(1, '40/shop,\x1e427["subscribe",{"channel":"open:a"}]');
      await turn();
      const isSubscribed = owner.hub.subscribers().some(({ channels }) => sizeOf(channels) === 2);
      const publisher: Publisher = { worker: 1, expected: [] };
      for (const choice of rest) {
        publish(cluster, publisher, ["open:a"]);
        await step(choice);
      }
      await cluster.settle();
      expect(other.counters.sessionsMoved).toBe(1);
      if (!isSubscribed) {
        expect((await posted).status).toBe(400);
        return;
      }
      asked++;
      const seen = socket.socket.received.map(String);
      expect(ofPublisher(seen, publisher)).toEqual(publisher.expected);
      for (const answer of ['40/shop,{"sid"', "437[{"]) {
        expect(seen.filter((packet) => packet.startsWith(answer)).length).toBe(1);
      }
      expect(other.counters.connections).toBe(2);
    }),
    { seed: 12, numRuns: 300 },
  );
  expect(asked).toBeGreaterThan(100);
});

function publish(
  cluster: SocketIoCluster,
  { worker, expected }: Publisher,
  channels: readonly string[],
): void {
  const data = `"p${worker}-${expected.length}"`;
  for (const _ of channels) expected.push(`42["said",${data}]`);
  const { hub } = cluster.worker(worker);
  const publication = { app: "default", channel: channels[0] ?? "", event: "said", data };
  Promise.resolve(hub.broadcast(publication, channels)).catch(() => undefined);
}

/** What another node publishes reaches each worker by itself, some of them later than others. */
function publishOutside(cluster: SocketIoCluster, { worker, expected }: Publisher): void {
  const data = `"p${worker}-${expected.length}"`;
  expected.push(`42["said",${data}]`);
  const id = PublicationIds.of("outside", expected.length);
  const publication = { id, app: "default", channel: CHANNELS[0], event: "said", data };
  for (const { broker } of cluster.workers) broker.hear(publication);
}
