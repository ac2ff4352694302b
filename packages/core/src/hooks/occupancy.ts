import { ByChannel } from "../hub/by-channel.ts";
import { DeadlineQueue } from "../limits/deadline-queue.ts";
import type { Clock } from "../ports.ts";

/** Channels that may be about to be vacated at the same time; beyond, they are at once. */
const MAX_VACATING = 100_000;

export interface OccupancyOptions {
  readonly clock: Clock;
  /** Milliseconds for which nobody may be subscribed before a channel is vacated. */
  readonly vacatedMs: number;
  occupied(app: string, channel: string): void;
  vacated(app: string, channel: string): void;
}

/** A channel without subscribers that is still said to be occupied. */
interface Vacating {
  readonly app: string;
  readonly channel: string;
}

/** Tells when channels come to be occupied, and when nobody has come back for a while. */
export class Occupancy {
  readonly #options: OccupancyOptions;
  readonly #vacating = new ByChannel<Vacating>();
  readonly #queue: DeadlineQueue<Vacating>;

  constructor(options: OccupancyOptions) {
    const { clock, vacatedMs } = options;
    this.#options = options;
    this.#queue = new DeadlineQueue(clock, vacatedMs, (item) => this.#vacate(item));
  }

  opened(app: string, channel: string): void {
    const vacating = this.#vacating.get(app, channel);
    if (vacating === undefined) {
      this.#options.occupied(app, channel);
      return;
    }
    this.#queue.remove(vacating);
    this.#vacating.delete(app, channel);
  }

  closed(app: string, channel: string): void {
    const item = { app, channel };
    if (this.#options.vacatedMs === 0 || this.#queue.size >= MAX_VACATING) {
      this.#options.vacated(app, channel);
      return;
    }
    this.#vacating.set(app, channel, item);
    this.#queue.add(item);
  }

  /** Nobody will come back: tells of every channel that is about to be vacated. */
  flush(): void {
    for (const [, , item] of [...this.#vacating.entries()]) {
      this.#queue.remove(item);
      this.#vacate(item);
    }
  }

  #vacate({ app, channel }: Vacating): void {
    this.#vacating.delete(app, channel);
    this.#options.vacated(app, channel);
  }
}
