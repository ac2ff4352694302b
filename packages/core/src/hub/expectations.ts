import { DeadlineQueue } from "../limits/deadline-queue.ts";
import type { Clock } from "../ports.ts";
import { ByChannel } from "./by-channel.ts";

/** For how long the others send what is published in a channel that nobody is subscribed to yet. */
const EXPECTED_WITHIN_MS = 10_000;

interface Expected {
  readonly app: string;
  readonly channel: string;
  /** Subscribers that are about to come. */
  count: number;
}

/** Channels that the others were told of before whoever asked for it was subscribed to them. */
export class Expectations {
  readonly #channels = new ByChannel<Expected>();
  readonly #queue: DeadlineQueue<Expected>;

  /** `expired` is called when nobody came in time. */
  constructor(clock: Clock, expired: (app: string, channel: string) => void) {
    this.#queue = new DeadlineQueue(clock, EXPECTED_WITHIN_MS, ({ app, channel }) => {
      this.#channels.delete(app, channel);
      expired(app, channel);
    });
  }

  has(app: string, channel: string): boolean {
    return this.#channels.get(app, channel) !== undefined;
  }

  /** One more is about to come; the time begins anew for all of the channel. */
  add(app: string, channel: string): void {
    let expected = this.#channels.get(app, channel);
    if (expected === undefined) {
      expected = { app, channel, count: 0 };
      this.#channels.set(app, channel, expected);
    } else {
      this.#queue.remove(expected);
    }
    expected.count++;
    this.#queue.add(expected);
  }

  /** One has come, whether or not it was expected. */
  meet(app: string, channel: string): void {
    const expected = this.#channels.get(app, channel);
    if (expected === undefined) return;
    expected.count--;
    if (expected.count > 0) return;
    this.#channels.delete(app, channel);
    this.#queue.remove(expected);
  }
}
