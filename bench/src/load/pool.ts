import type { Peer } from "../peers/peer.ts";
import { Connection, type ConnectionObserver } from "./connection.ts";
import { openPollers } from "./pollers.ts";
import type { ConnectCommand, Counters, PollCommand } from "./protocol.ts";

/** All subscribers of a run, and what they received together. */
export class SubscriberPool implements ConnectionObserver {
  #deliveries = 0;
  #bytes = 0;
  #opened = 0;
  #closed = 0;
  #goal: { readonly deliveries: number; readonly reached: () => void } | undefined;
  #latest = "";
  readonly #connections: { close(): void }[] = [];

  counters(): Counters {
    return {
      deliveries: this.#deliveries,
      bytes: this.#bytes,
      open: this.#opened - this.#closed,
      closed: this.#closed,
    };
  }

  /** Text of a message that reached the goal of `reach`: a sample for checking content. */
  get latest(): string {
    return this.#latest;
  }

  /** Opens `count` subscribers, a bounded number of them at a time. */
  async connect(command: ConnectCommand, peer: Pick<Peer, "subscriber">): Promise<void> {
    const url = new URL(command.url);
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < command.count) {
        next += 1;
        const dialect = peer.subscriber(command.user ?? crypto.randomUUID());
        this.#connections.push(await Connection.open(url, dialect, this, command.timeoutMs));
        this.#opened += 1;
      }
    };
    await Promise.all(Array.from({ length: command.window }, lane));
  }

  /** Opens subscribers over long-polling. */
  async poll(command: PollCommand): Promise<void> {
    const connections = await openPollers(command, this);
    this.#connections.push(...connections);
    this.#opened += connections.length;
  }

  /** Closes every connection; what it counts afterwards says nothing. */
  leave(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** Waits for the total of deliveries; answers whether it came in time. */
  async reach(deliveries: number, timeoutMs: number): Promise<boolean> {
    if (this.#deliveries >= deliveries) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#goal = { deliveries, reached: () => resolve(true) };
    const timer = setTimeout(() => resolve(false), timeoutMs);
    const inTime = await promise;
    clearTimeout(timer);
    this.#goal = undefined;
    return inTime;
  }

  received(count: number, buffer: Buffer, start: number, end: number): void {
    this.#deliveries += count;
    this.#bytes += end - start;
    if (this.#goal !== undefined && this.#deliveries >= this.#goal.deliveries) {
      this.#latest = buffer.toString("utf8", start, end);
      this.#goal.reached();
    }
  }

  closed(): void {
    this.#closed += 1;
  }
}
