import type { Fanout, MessageSocket } from "../ports.ts";

/** Sockets and native topics in memory, with a peer that can stop reading. */
export class FakeNetwork implements Fanout {
  readonly limit: number;
  readonly #topics = new Map<string, Set<FakeSocket>>();

  /** `limit`: bytes buffered for a socket above which it drops what comes next. */
  constructor(limit = 1024) {
    this.limit = limit;
  }

  socket(): FakeSocket {
    return new FakeSocket(this);
  }

  /** Sockets in a topic. */
  topic(name: string): ReadonlySet<FakeSocket> {
    return this.#topics.get(name) ?? new Set();
  }

  publish(topic: string, message: string | Uint8Array, except?: FakeSocket): number {
    const sockets = [...this.topic(topic)].filter((socket) => socket !== except);
    const results = sockets.map((socket) => socket.send(message));
    if (results.length === 0 || results.includes(0)) return 0;
    return Math.min(...results);
  }

  join(topic: string, socket: FakeSocket): void {
    this.#topics.set(topic, new Set([...this.topic(topic), socket]));
  }

  leave(topic: string, socket: FakeSocket): void {
    const sockets = new Set(this.topic(topic));
    sockets.delete(socket);
    this.#topics.set(topic, sockets);
  }
}

export class FakeSocket implements MessageSocket {
  /** What reached the peer, in order. */
  readonly received: (string | Uint8Array)[] = [];
  /** What waits for the peer. */
  readonly buffered: (string | Uint8Array)[] = [];
  /** Payloads of the pings that were sent. */
  readonly pings: Uint8Array[] = [];
  closedWith: { readonly code: number; readonly reason: string } | undefined;
  isTerminated = false;
  #isReading = true;
  readonly #network: FakeNetwork;
  readonly #topics = new Set<string>();

  constructor(network: FakeNetwork) {
    this.#network = network;
  }

  get isEnded(): boolean {
    return this.isTerminated || this.closedWith !== undefined;
  }

  send(message: string | Uint8Array): number {
    if (this.isEnded) return 0;
    if (this.#isReading) {
      this.received.push(message);
      return message.length;
    }
    if (this.getBufferedAmount() > this.#network.limit) return 0;
    this.buffered.push(message);
    return -1;
  }

  getBufferedAmount(): number {
    return this.buffered.reduce((sum, message) => sum + message.length, 0);
  }

  subscribe(topic: string): void {
    if (this.isEnded) return;
    this.#topics.add(topic);
    this.#network.join(topic, this);
  }

  unsubscribe(topic: string): void {
    this.#topics.delete(topic);
    this.#network.leave(topic, this);
  }

  close(code: number, reason: string): void {
    if (this.isEnded) return;
    this.closedWith = { code, reason };
    this.#end();
  }

  terminate(): void {
    if (this.isEnded) return;
    this.isTerminated = true;
    this.#end();
  }

  publish(topic: string, message: string | Uint8Array): number {
    return this.isEnded ? 0 : this.#network.publish(topic, message, this);
  }

  ping(payload: Uint8Array): number {
    if (this.isEnded) return 0;
    this.pings.push(payload);
    return payload.length;
  }

  /** The peer stops reading. */
  pause(): void {
    this.#isReading = false;
  }

  /** The peer reads on, first what was buffered. */
  resume(): void {
    this.#isReading = true;
    this.received.push(...this.buffered.splice(0));
  }

  #end(): void {
    this.buffered.length = 0;
    for (const topic of [...this.#topics]) this.unsubscribe(topic);
  }
}
