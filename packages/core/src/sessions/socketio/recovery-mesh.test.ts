import { expect, test } from "bun:test";
import fc from "fast-check";
import type { AppConfig, NamespaceConfig } from "../../hub/namespace.ts";
import { ALICE, BOB, recoverable } from "../../testing/channel-fixture.ts";
import type { FakeSocket } from "../../testing/fake-network.ts";
import { LocalNode } from "../../testing/local-node.ts";
import { MeshModel } from "../../testing/mesh-model.ts";
import { socketIoWorker } from "../../testing/socketio-worker.ts";
import { turn } from "../../testing/turn.ts";

const SIZE = 1_000;
const CHANNELS = ["a:1", "a:2", "a:3"];

/** Workers that serve stock clients, and are told of publications and given answers when the test says so. */
class Scene {
  readonly model = new MeshModel(SIZE);
  readonly workers;

  constructor() {
    const kept: NamespaceConfig = { ...recoverable, history: { size: SIZE, ttlMs: 1e9 } };
    const open: NamespaceConfig = { subscribe: "anyone", publish: "anyone", volatile: false };
    const namespaces = new Map([
      ["", kept],
      ["a", kept],
      ["open", open],
    ]);
    const apps = new Map<string, AppConfig>([["default", { namespaces }]]);
    this.model.isSlow = true;
    const { clock, place } = this.model;
    const node = new LocalNode({ clock, apps });
    this.workers = [1, 2].map((seed) => {
      const { broker, handlers } = node.place(place);
      const settings = { seed, maxChannelsPerConnection: 10, slowConsumerBytes: 1e6 };
      const worker = socketIoWorker({ ...settings, clock, apps, broker, handlers });
      return { ...worker, broker };
    });
  }

  worker(index: number) {
    const worker = this.workers[index % this.workers.length];
    if (worker === undefined) throw new Error("there is no worker");
    return worker;
  }

  /** Everything is answered; what was published arrives too, unless it is held back. */
  async settle({ arrives = true } = {}): Promise<void> {
    await turn();
    for (const { broker } of this.workers) {
      while (broker.asked > 0 || (arrives && broker.arriving.length > 0)) {
        broker.answer(0);
        if (arrives) for (const channel of broker.arriving) broker.arrive(channel);
        await turn();
      }
    }
  }
}

interface Connection {
  readonly socket: FakeSocket;
  say(message: string): void;
  close(): void;
}

/** A stock client: it knows the last cursor that it saw on any connection, and the proof of its session. */
class Client {
  readonly #scene: Scene;
  readonly #user: string;
  #connection: Connection | undefined;
  #pid: string | undefined;
  #cursor: string | undefined;
  #read = 0;
  #asked = 0;
  /** What it had asked for when it left a channel: answers to that are of before. */
  readonly #left = new Map<string, number>();
  /** Where it stands in the channels whose acknowledgements it has read. */
  readonly starts = new Map<string, number>();
  readonly #has = new Set<number>();
  recovered: boolean | undefined;

  constructor(scene: Scene, user = ALICE) {
    this.#scene = scene;
    this.#user = user;
  }

  connect(index: number): void {
    if (this.#connection?.socket.isEnded === false) return;
    if (this.#connection !== undefined) this.break();
    const { network, engine } = this.#scene.worker(index);
    const socket = network.socket();
    const query = new URLSearchParams(`EIO=4&transport=websocket&uniqueUserId=${this.#user}`);
    const admission = engine.admitSocket({ query, address: "192.0.2.1", origin: null });
    if (admission instanceof Promise) throw new Error("nobody is asked");
    if ("refusal" in admission) throw new Error(admission.refusal.body);
    const { handler } = admission;
    handler.opened(socket);
    this.#read = 0;
    this.#connection = {
      socket,
      say: (message) => void handler.message(socket, message),
      close: () => {
        socket.terminate();
        handler.closed(socket, 1006);
      },
    };
    const { pid, offset } = { pid: this.#pid, offset: this.#cursor };
    this.#connection.say(`40${pid === undefined ? "" : JSON.stringify({ pid, offset })}`);
  }

  /** Asks for a channel, perhaps with what was published behind the beginning of its stream. */
  subscribe(channel: string, isFromStart = false): void {
    const { epoch } = this.#scene.model.streamOf(channel);
    const since = isFromStart ? { since: `${epoch}.0` } : {};
    const argument = JSON.stringify(["subscribe", { channel, ...since }]);
    this.#connection?.say(`42${++this.#asked}${argument}`);
  }

  unsubscribe(channel: string): void {
    this.starts.delete(channel);
    this.#left.set(channel, this.#asked);
    this.#connection?.say(`42${JSON.stringify(["unsubscribe", { channel }])}`);
  }

  /** Loses its connection, having read so many packets more. */
  break(count = Number.POSITIVE_INFINITY): void {
    this.read(count);
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Answers whether there was anything. */
  read(count = Number.POSITIVE_INFINITY): boolean {
    const { received = [] } = this.#connection?.socket ?? {};
    const packets = received.slice(this.#read, this.#read + count).map(String);
    for (const packet of packets) {
      this.#read++;
      this.#hear(packet);
    }
    return packets.length > 0;
  }

  /** What it was promised on this session, and has not got. */
  get missing(): readonly number[] {
    return [...this.starts].flatMap(([channel, start]) => {
      const all = this.#scene.model.streamOf(channel).of(channel);
      return all.filter((number) => number > start && !this.#has.has(number));
    });
  }

  /** Whether it has a connection that was accepted, and that nobody has ended. */
  get isOpen(): boolean {
    const { received = [], isEnded = true } = this.#connection?.socket ?? {};
    return !isEnded && received.map(String).some((packet) => packet.startsWith("40"));
  }

  #hear(packet: string): void {
    const [, type, id, content = ""] = /^(4[0-4])(\d*)(.*)$/s.exec(packet) ?? [];
    if (type === "40") {
      const { pid } = JSON.parse(content) as { pid: string };
      if (this.#pid !== undefined) this.recovered = pid === this.#pid;
      if (pid !== this.#pid) {
        this.starts.clear();
        this.#has.clear();
      }
      this.#pid = pid;
    } else if (type === "43") {
      const [answer] = JSON.parse(content) as [{ channel: string; position?: string }];
      const start = Number(answer.position?.split(".").at(-1));
      const isOld = Number(id) <= (this.#left.get(answer.channel) ?? 0);
      if (answer.position === undefined || isOld || this.starts.has(answer.channel)) return;
      this.starts.set(answer.channel, start);
    } else if (type === "42") {
      const [, number, cursor] = JSON.parse(content) as [string, number, string];
      this.#has.add(number);
      this.#cursor = cursor;
    }
  }
}

const nat = fc.nat(50);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("publish" as const), nat, nat) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("arrive" as const), nat, nat) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("answer" as const), nat, nat) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("read" as const), nat, nat) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("subscribe" as const), nat, nat) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("leave" as const), nat, nat) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("break" as const), nat, nat) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("connect" as const), nat, nat) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("settle" as const), nat, nat) },
);

/** Does all that; answers the client, and how often it came back to its session. */
async function play(steps: readonly (readonly ["publish" | string, number, number])[]) {
  const scene = new Scene();
  const { model } = scene;
  const client = new Client(scene);
  const channelOf = (index: number) => CHANNELS[index % CHANNELS.length] ?? "";
  client.connect(0);
  await scene.settle();
  client.read();
  for (const [what, one, other] of steps) {
    const { broker } = scene.worker(other);
    if (what === "publish") model.publish(channelOf(one));
    if (what === "arrive") broker.arrive(channelOf(one));
    if (what === "answer") broker.answer(one);
    if (what === "subscribe") client.subscribe(channelOf(one), other % 3 === 0);
    if (what === "leave") client.unsubscribe(channelOf(one));
    if (what === "read") client.read(one % 4);
    if (what === "break") client.break(one % 8);
    if (what === "connect") client.connect(other);
    if (what === "settle") await scene.settle({ arrives: one % 2 === 0 });
    await turn();
  }
  client.connect(0);
  await scene.settle();
  client.read();
  return { client };
}

test("who comes back to a session has missed nothing of it, wherever the connection broke", async () => {
  let recovered = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 100 }), async (steps) => {
      const { client } = await play(steps);
      if (client.recovered === true) recovered++;
      if (client.isOpen) expect(client.missing).toEqual([]);
    }),
    { numRuns: 300 },
  );
  expect(recovered).toBeGreaterThan(10);
});

/** A client at a worker that is in these channels. */
async function subscribed(scene: Scene, index: number, user: string, ...channels: string[]) {
  const client = new Client(scene, user);
  client.connect(index);
  await scene.settle();
  for (const channel of channels) client.subscribe(channel);
  await scene.settle();
  client.read();
  return client;
}

/** Answers what a worker asks, one after the other, until the client knows that it is in a channel. */
async function answered(scene: Scene, index: number, client: Client, channel: string) {
  for (let count = 0; !client.starts.has(channel) && count < 10; count++) {
    scene.worker(index).broker.answer(0);
    await turn();
    while (!client.starts.has(channel) && client.read(1));
  }
  expect(client.starts.has(channel)).toBe(true);
}

test("who loses its connection as soon as it knows that it is subscribed comes back to it", async () => {
  const scene = new Scene();
  const client = await subscribed(scene, 0, ALICE);
  client.subscribe("a:1");
  await answered(scene, 0, client, "a:1");
  client.break();
  scene.model.publish("a:1");
  client.connect(1);
  await scene.settle();
  client.read();
  expect(client.recovered).toBe(true);
  expect(client.missing).toEqual([]);
});

test("what is still to be sent of a channel has not been seen, though a cursor of another one is behind it", async () => {
  const scene = new Scene();
  const { model } = scene;
  const { broker } = scene.worker(0);
  const client = await subscribed(scene, 0, ALICE, "a:2");
  model.publish("a:1");
  client.subscribe("a:1", true);
  await turn();
  // The subscription, and the reading of the page, which is answered later.
  for (let count = 0; count < 2; count++) {
    broker.answer(0);
    await turn();
  }
  for (const channel of ["a:1", "a:2"]) model.publish(channel);
  for (const channel of ["a:1", "a:2"]) broker.arrive(channel);
  await answered(scene, 0, client, "a:1");
  client.break(0);
  client.connect(0);
  await scene.settle();
  client.read();
  expect(client.isOpen).toBe(true);
  expect(client.missing).toEqual([]);
});

test("what another worker has delivered has not been seen where it has not arrived", async () => {
  const scene = new Scene();
  const { model } = scene;
  const [near, lagging] = [scene.worker(0).broker, scene.worker(1).broker];
  for (const index of [0, 1]) await subscribed(scene, index, BOB, "a:1");
  // With the second of these channels it cannot come back to its session, and yet remembers the last cursor of it.
  const client = await subscribed(scene, 0, ALICE, "a:2", "open:1");
  for (const channel of ["a:1", "a:2"]) model.publish(channel);
  for (const channel of ["a:1", "a:2"]) near.arrive(channel);
  client.break();
  client.connect(1);
  await scene.settle({ arrives: false });
  client.read();
  client.subscribe("a:1");
  await answered(scene, 1, client, "a:1");
  await scene.settle({ arrives: false });
  lagging.arrive("a:1");
  client.break(0);
  client.connect(1);
  await scene.settle();
  client.read();
  expect(client.isOpen).toBe(true);
  expect(client.missing).toEqual([]);
});
