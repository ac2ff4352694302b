import { describe, expect, test } from "bun:test";
import { ALICE, publication, recoverable } from "../../testing/channel-fixture.ts";
import {
  ClusterClient,
  type ClusterSettings,
  type ClusterSocket,
  SocketIoCluster,
} from "../../testing/socketio-cluster.ts";
import { turn } from "../../testing/turn.ts";

const namespaces = { "": recoverable, kept: recoverable };

interface Welcome {
  readonly sid: string;
  readonly pid: string;
}

/** What a client does on the workers of one node whose channels keep history. */
class Scene {
  readonly cluster: SocketIoCluster;
  #said = 0;

  constructor(settings: ClusterSettings = {}) {
    this.cluster = new SocketIoCluster({ namespaces, workers: 3, ...settings });
  }

  /** Publishes the next number at a worker. */
  say(worker: number, channel = "kept:1"): void {
    this.#said++;
    const { hub } = this.cluster.worker(worker);
    hub.publishUnanswered(publication(channel, String(this.#said)));
  }

  async open(worker: number): Promise<ClusterSocket> {
    const query = `uniqueUserId=${ALICE}`;
    return this.cluster.settled(this.cluster.webSocket(worker, query));
  }

  /** A client at a worker, connected, in the channel `kept:1`. */
  async joined(worker: number): Promise<{ client: ClusterSocket; was: Welcome }> {
    const client = await this.open(worker);
    client.say("40");
    await this.cluster.settle();
    client.say('420["subscribe",{"channel":"kept:1"}]');
    await this.cluster.settle();
    return { client, was: welcome(client) };
  }

  /** A client that comes back to a worker. */
  async back(worker: number, { pid }: Welcome, offset?: string): Promise<ClusterSocket> {
    const client = await this.open(worker);
    client.say(`40${JSON.stringify({ pid, offset })}`);
    return client;
  }

  /** One that was at the first worker, has heard something, and is missing something. */
  async left() {
    const { client, was } = await this.joined(1);
    this.say(2);
    await this.cluster.settle();
    const { cursor } = heard(client);
    client.close();
    this.say(1);
    return { was, cursor };
  }

  /** One that has missed something at the first worker begins to come back, to the second. */
  async comingBack() {
    const { was, cursor } = await this.left();
    return { was, cursor, back: await this.back(2, was, cursor) };
  }

  /** Lets one step be done on each link. */
  async step(): Promise<void> {
    for (const link of this.cluster.links) link.step();
    await turn();
  }
}

function packets(client: ClusterSocket): readonly string[] {
  return client.socket.received.map(String);
}

function welcome(client: ClusterSocket): Welcome {
  const packet = packets(client).find((each) => each.startsWith("40")) ?? "40{}";
  return JSON.parse(packet.slice(2)) as Welcome;
}

/** The numbers that the client heard, and the cursor of the last of them. */
function heard(client: ClusterSocket): { readonly numbers: unknown[]; readonly cursor: string } {
  const events = packets(client)
    .filter((packet) => packet.startsWith("42"))
    .map((packet) => JSON.parse(packet.slice(2)) as [string, unknown, string]);
  return { numbers: events.map(([, data]) => data), cursor: events.at(-1)?.[2] ?? "" };
}

describe("a client whose connection broke", () => {
  test("gets it back also right after the first event of a channel", async () => {
    const scene = new Scene();
    const client = await scene.open(1);
    client.say("40");
    await scene.cluster.settle();
    client.say('420["subscribe",{"channel":"kept:1"}]');
    while (!packets(client).some((packet) => packet.startsWith("430"))) await scene.step();
    scene.say(2);
    const { up } = scene.cluster.worker(2).broker;
    while (!up.isEmpty) up.step();
    await scene.cluster.settle();
    const { numbers, cursor } = heard(client);
    expect(numbers).toEqual([1]);
    client.close();
    const back = await scene.back(2, welcome(client), cursor);
    await scene.cluster.settle();
    expect(welcome(back)).toEqual(welcome(client));
  });

  test.each([1, 2, 3])("gets it back at worker %i, with what it missed", async (worker) => {
    const scene = new Scene();
    const { was, cursor } = await scene.left();
    await scene.cluster.settle();
    scene.say(3);
    await scene.cluster.settle();
    const back = await scene.back(worker, was, cursor);
    await scene.cluster.settle();
    scene.say(2);
    await scene.cluster.settle();
    expect(welcome(back)).toEqual(was);
    expect(heard(back).numbers).toEqual([2, 3, 4]);
    const { hub } = scene.cluster.worker(worker);
    expect(hub.subscribers().map(({ id }) => id)).toEqual([was.sid]);
  });

  test("gets it back before the other worker has noticed, which then ends it", async () => {
    const scene = new Scene();
    const { client, was } = await scene.joined(1);
    scene.say(2);
    await scene.cluster.settle();
    const back = await scene.back(2, was, heard(client).cursor);
    await scene.cluster.settle();
    expect(welcome(back)).toEqual(was);
    expect(client.socket.closedWith?.code).toBe(4002);
    expect(scene.cluster.worker(1).hub.subscribers()).toEqual([]);
    scene.say(1);
    await scene.cluster.settle();
    expect(heard(back).numbers).toEqual([2]);
  });

  test("loses and doubles nothing, whenever something is said while it comes back", async () => {
    for (let moment = 0; moment < 25; moment++) {
      const scene = new Scene();
      const { was, back } = await scene.comingBack();
      for (let count = 0; count < moment; count++) await scene.step();
      scene.say(3);
      scene.say(2);
      scene.say(2, ALICE);
      await scene.cluster.settle();
      expect(welcome(back)).toEqual(was);
      expect(heard(back).numbers.toSorted()).toEqual([2, 3, 4, 5]);
    }
  });

  test("that breaks again while it comes back gets all of it the next time", async () => {
    for (let moment = 0; moment < 25; moment++) {
      const scene = new Scene();
      const { was, cursor, back: broken } = await scene.comingBack();
      for (let count = 0; count < moment; count++) await scene.step();
      broken.close();
      await scene.cluster.settle();
      const back = await scene.back(3, was, heard(broken).cursor || cursor);
      await scene.cluster.settle();
      expect(welcome(back)).toEqual(was);
      expect([...heard(broken).numbers, ...heard(back).numbers]).toEqual([2]);
    }
  });

  test("has its own channel from the moment at which it knows that it is connected", async () => {
    for (let moment = 0; moment < 15; moment++) {
      const scene = new Scene();
      const client = await scene.open(1);
      client.say("40");
      while (packets(client).every((packet) => !packet.startsWith("40"))) await scene.step();
      for (let count = 0; count < moment; count++) await scene.step();
      scene.say(2, ALICE);
      await scene.cluster.settle();
      expect(heard(client).numbers).toEqual([1]);
    }
  });

  test("and subscribes anew at once is answered, and hears nothing twice", async () => {
    const scene = new Scene();
    const { back } = await scene.comingBack();
    while (packets(back).every((packet) => !packet.startsWith("40"))) await scene.step();
    back.say('421["subscribe",{"channel":"kept:1"}]', '422["subscribe",{"channel":"kept:2"}]');
    await scene.cluster.settle();
    expect(heard(back).numbers).toEqual([2]);
    const answers = packets(back).filter((packet) => packet.startsWith("43"));
    expect(answers.map((answer) => JSON.parse(answer.slice(3)))).toMatchObject([
      [{ ok: true, channel: "kept:1" }],
      [{ ok: true, channel: "kept:2", position: expect.any(String) }],
    ]);
  });

  test("gets nothing of another channel before it has what it missed, so that its cursor holds", async () => {
    const scene = new Scene({ slowConsumerBytes: 4_000_000 });
    const { cluster } = scene;
    const { client, was } = await scene.joined(1);
    client.close();
    const { hub } = cluster.worker(3);
    const large = JSON.stringify("x".repeat(100_000));
    for (let count = 0; count < 9; count++) hub.publishUnanswered(publication("kept:1", large));
    await cluster.settle();
    const query = `&uniqueUserId=${ALICE}`;
    const opened = await cluster.settled(cluster.handshake(2, [], query));
    const back = new ClusterClient(cluster, String(JSON.parse(opened.body.slice(1)).sid));
    await cluster.settled(back.post(2, `40${JSON.stringify({ pid: was.pid })}`));
    const posted = back.post(2, '421["subscribe",{"channel":"kept:2"}]');
    await cluster.settle();
    scene.say(1, "kept:2");
    await cluster.settled(posted);
    const polled: string[] = [];
    for (let count = 0; count < 12; count++) {
      const poll = back.poll(2);
      await cluster.settle();
      scene.say(1, "kept:2");
      cluster.clock.advance(10);
      await cluster.settle();
      polled.push(...(await poll).body.split("\u001e"));
    }
    const events = polled.filter((packet) => packet.startsWith("42"));
    const cursors = events.map((packet) => Number(/\.(\d+)"\]$/.exec(packet)?.[1]));
    expect(cursors.length).toBeGreaterThan(10);
    expect(cursors.slice(0, 9)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(cursors).toEqual(cursors.toSorted((a, b) => a - b));
  });

  test("begins anew when it was about to have another channel", async () => {
    const scene = new Scene();
    const { client, was } = await scene.joined(1);
    client.say('421["subscribe",{"channel":"kept:2"}]');
    client.close();
    await scene.cluster.settle();
    const back = await scene.back(2, was);
    await scene.cluster.settle();
    expect(welcome(back).sid).not.toBe(was.sid);
  });

  test("begins anew when the worker that had it is dead", async () => {
    const scene = new Scene();
    const { client, was } = await scene.joined(1);
    client.close();
    await scene.cluster.settle();
    scene.cluster.worker(1).broker.leave();
    const back = await scene.back(2, was);
    await scene.cluster.settle();
    expect(welcome(back)).not.toEqual(was);
    expect(scene.cluster.worker(2).counters.unrecoveredConnections).toBe(1);
  });

  test("gets it back after its worker has left, and after the heir has", async () => {
    const scene = new Scene();
    const { client, was } = await scene.joined(1);
    scene.say(1);
    await scene.cluster.settle();
    const { cursor } = heard(client);
    for (const each of scene.cluster.worker(1).hub.subscribers()) each.close("shutting_down");
    for (const leaver of [1, 3]) {
      const left = scene.cluster.worker(leaver).engine.leave();
      await scene.cluster.settled(left);
      scene.cluster.worker(leaver).broker.leave();
    }
    scene.say(2);
    const back = await scene.back(2, was, cursor);
    await scene.cluster.settle();
    expect(welcome(back)).toEqual(was);
    expect(heard(back).numbers).toEqual([2]);
  });

  test("does not keep a worker that nobody answers from leaving", async () => {
    const scene = new Scene();
    const { client } = await scene.joined(1);
    client.close();
    await scene.cluster.settle();
    let hasLeft = false;
    void scene.cluster
      .worker(1)
      .engine.leave()
      .then(() => {
        hasLeft = true;
      });
    await turn();
    scene.cluster.clock.advance(1_999);
    await turn();
    expect(hasLeft).toBe(false);
    scene.cluster.clock.advance(1);
    await turn();
    expect(hasLeft).toBe(true);
  });

  test("gets it back whenever it asks while its worker leaves", async () => {
    for (let moment = 0; moment < 15; moment++) {
      const scene = new Scene();
      const { client, was } = await scene.joined(1);
      client.close();
      await scene.cluster.settle();
      const left = scene.cluster.worker(1).engine.leave();
      for (let count = 0; count < moment; count++) await scene.step();
      const back = await scene.open(2);
      back.say(`40${JSON.stringify({ pid: was.pid })}`);
      await scene.cluster.settled(left);
      expect(welcome(back)).toEqual(was);
      const again = await scene.back(3, was);
      await scene.cluster.settle();
      expect(welcome(again)).toEqual(was);
      expect(scene.cluster.workers.flatMap(({ hub }) => hub.subscribers()).length).toBe(1);
    }
  });
});

describe("a session that moves to another worker", () => {
  /** A client that polls at worker 1, and what its polls brought. */
  async function polling(scene: Scene) {
    const { cluster } = scene;
    const opened = await cluster.settled(cluster.handshake(1, [], `&uniqueUserId=${ALICE}`));
    const client = new ClusterClient(cluster, String(JSON.parse(opened.body.slice(1)).sid));
    await cluster.settled(client.post(1, "40"));
    const { body } = await cluster.settled(client.poll(1));
    return { client, was: JSON.parse(body.slice(2)) as Welcome };
  }

  test("takes along where it stands, and is come back to from there", async () => {
    const scene = new Scene();
    const { cluster } = scene;
    const { client, was } = await polling(scene);
    await cluster.settled(client.post(1, '420["subscribe",{"channel":"kept:1"}]'));
    const socket = await cluster.settled(client.webSocket(2));
    socket.say("2probe", "5");
    await cluster.settle();
    scene.say(3);
    await cluster.settle();
    const { numbers, cursor } = heard(socket);
    expect(numbers).toEqual([1]);
    socket.close();
    scene.say(1);
    const back = await scene.back(3, was, cursor);
    await cluster.settle();
    expect(welcome(back)).toEqual(was);
    expect(heard(back).numbers).toEqual([2]);
  });

  test("loses and doubles nothing of a history that is on its way, whenever it moves", async () => {
    for (let moment = 0; moment < 30; moment++) {
      const scene = new Scene({ workers: 2 });
      const { cluster } = scene;
      const { client } = await polling(scene);
      for (let count = 0; count < 5; count++) scene.say(2);
      await cluster.settle();
      const { position } = await cluster.settled(
        cluster.worker(2).hub.history("default", "kept:1", { limit: 0 }),
      );
      const since = `${position.epoch}.0`;
      const socket = await cluster.settled(client.webSocket(2));
      socket.say("2probe");
      await cluster.settle();
      const subscribe = `420["subscribe",${JSON.stringify({ channel: "kept:1", since })}]`;
      const posted = client.post(1, subscribe);
      for (let count = 0; count < moment; count++) await scene.step();
      socket.say("5");
      scene.say(1);
      for (let count = 0; count < moment % 7; count++) await scene.step();
      scene.say(2);
      await cluster.settled(posted);
      await cluster.settle();
      scene.say(1);
      await cluster.settle();
      const { numbers } = heard(socket);
      expect(numbers.slice(0, 5)).toEqual([1, 2, 3, 4, 5]);
      expect(numbers.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(cluster.worker(2).counters.sessionsMoved).toBe(1);
    }
  });

  test("takes along a history that its client has stopped polling for", async () => {
    const scene = new Scene({ workers: 2, slowConsumerBytes: 4_000_000 });
    const { cluster } = scene;
    const { client } = await polling(scene);
    const large = JSON.stringify("x".repeat(100_000));
    const { hub } = cluster.worker(2);
    for (let count = 0; count < 10; count++) hub.publishUnanswered(publication("kept:1", large));
    await cluster.settle();
    const page = hub.history("default", "kept:1", { limit: 0 });
    const since = `${(await cluster.settled(page)).position.epoch}.0`;
    const subscribe = `420["subscribe",${JSON.stringify({ channel: "kept:1", since })}]`;
    await cluster.settled(client.post(1, subscribe));
    const socket = await cluster.settled(client.webSocket(2));
    socket.say("2probe", "5");
    for (let count = 0; count < 20; count++) {
      await cluster.settle();
      cluster.clock.advance(10);
    }
    expect(cluster.worker(2).counters.sessionsMoved).toBe(1);
    expect(heard(socket).numbers.length).toBe(10);
  });
});
