import type { Answer } from "../answer.ts";
import { WorkerHandlers } from "../broker/handlers.ts";
import type { HttpAnswer } from "../sessions/engine/http.ts";
import type { SocketHandler } from "../sessions/socket-handler.ts";
import { type Settings, testApps, testNode } from "./channel-fixture.ts";
import { DelayedBroker } from "./delayed-broker.ts";
import { FakeClock } from "./fake-clock.ts";
import type { FakeSocket } from "./fake-network.ts";
import { type SocketIoWorker, socketIoWorker } from "./socketio-worker.ts";
import { turn } from "./turn.ts";

export interface ClusterSettings extends Settings {
  readonly workers?: number;
  readonly slowConsumerBytes?: number;
}

/** One worker of a cluster; what it says to the node arrives when the test lets it. */
export type ClusterWorker = SocketIoWorker & { readonly broker: DelayedBroker };

/** Workers 1, 2 and so on of one node, with Socket.IO on each. */
export class SocketIoCluster {
  readonly clock: FakeClock;
  readonly workers: readonly ClusterWorker[];

  constructor({ workers = 2, slowConsumerBytes, ...settings }: ClusterSettings = {}) {
    const { clock = new FakeClock() } = settings;
    this.clock = clock;
    const apps = testApps(settings);
    const node = testNode(clock, apps, settings);
    const { jwt, maxHandshakes, recoveryMs } = settings;
    this.workers = Array.from({ length: workers }, (_, index) => {
      const handlers = new WorkerHandlers();
      const broker = DelayedBroker.join(node, index + 1, handlers);
      const seed = index + 1;
      const options = {
        clock,
        apps,
        broker,
        handlers,
        jwt,
        maxHandshakes,
        recoveryMs,
        slowConsumerBytes,
        seed,
      };
      return { ...socketIoWorker(options), broker };
    });
  }

  /** By its number, from 1 on. */
  worker(number: number): ClusterWorker {
    const worker = this.workers[number - 1];
    if (worker === undefined) throw new RangeError(`there is no worker ${number}`);
    return worker;
  }

  get links() {
    return this.workers.flatMap(({ broker }) => [broker.up, broker.down, broker.outside]);
  }

  /** Lets everything arrive that is on its way, and everything that comes of it. */
  async settle(): Promise<void> {
    await turn();
    while (!this.#isIdle) {
      for (const link of this.links) link.step();
      for (const { authenticator } of this.workers) await authenticator.settled();
      await turn();
    }
  }

  get #isIdle(): boolean {
    return (
      this.links.every((link) => link.isEmpty) &&
      this.workers.every(({ authenticator }) => authenticator.isIdle)
    );
  }

  /** The answer once everything has arrived. */
  async settled<T>(answer: Answer<T>): Promise<T> {
    await this.settle();
    return answer;
  }

  /** The handshake of a client that polls. */
  handshake(worker: number, aborts?: (() => void)[], query = ""): Answer<HttpAnswer> {
    return new ClusterClient(this, "").request(worker, "GET", query, "", aborts);
  }

  /** A WebSocket; rejected with the text of the refusal. */
  async webSocket(worker: number, query: string): Promise<ClusterSocket> {
    const { engine, network } = this.worker(worker);
    const admission = await engine.admitSocket({
      query: new URLSearchParams(`EIO=4&transport=websocket&${query}`),
      address: "192.0.2.1",
      origin: null,
    });
    if ("refusal" in admission) throw new Error(admission.refusal.body);
    return new ClusterSocket(network.socket(), admission.handler);
  }

  /** A client that polls, connected to its namespace by worker 1. */
  async client(user?: string, namespace = ""): Promise<ClusterClient> {
    const query = user === undefined ? "" : `&uniqueUserId=${user}`;
    const opened = await this.settled(this.handshake(1, [], query));
    if (opened.status !== 200) throw new Error(opened.body);
    const client = new ClusterClient(this, String(JSON.parse(opened.body.slice(1)).sid));
    await this.settled(client.post(1, `40${namespace}`));
    await this.settled(client.poll(1));
    return client;
  }
}

/** A client whose requests reach whichever worker the test says. */
export class ClusterClient {
  readonly sid: string;
  readonly #cluster: SocketIoCluster;

  constructor(cluster: SocketIoCluster, sid: string) {
    this.#cluster = cluster;
    this.sid = sid;
  }

  request(
    worker: number,
    method: string,
    query: string,
    body = "",
    aborts: (() => void)[] = [],
  ): Answer<HttpAnswer> {
    return this.#cluster.worker(worker).engine.handleRequest({
      method,
      query: new URLSearchParams(`EIO=4&transport=polling${query}`),
      address: "192.0.2.1",
      origin: null,
      announcedBytes: body.length,
      readBody: () => Promise.resolve(body),
      onAbort: (callback) => aborts.push(callback),
    });
  }

  poll(worker: number, aborts?: (() => void)[]): Answer<HttpAnswer> {
    return this.request(worker, "GET", `&sid=${this.sid}`, "", aborts);
  }

  post(worker: number, body: string): Answer<HttpAnswer> {
    return this.request(worker, "POST", `&sid=${this.sid}`, body);
  }

  /** A WebSocket for the session; rejected with the text of the refusal. */
  webSocket(worker: number): Promise<ClusterSocket> {
    return this.#cluster.webSocket(worker, `sid=${this.sid}`);
  }
}

/** The client's end of a WebSocket. */
export class ClusterSocket {
  readonly socket: FakeSocket;
  readonly #handler: SocketHandler;

  constructor(socket: FakeSocket, handler: SocketHandler) {
    this.socket = socket;
    this.#handler = handler;
    handler.opened(socket);
  }

  say(...messages: readonly (string | Uint8Array)[]): void {
    for (const message of messages) this.#handler.message(this.socket, message);
  }

  close(): void {
    this.socket.terminate();
    this.#handler.closed(this.socket, 1006);
  }
}
