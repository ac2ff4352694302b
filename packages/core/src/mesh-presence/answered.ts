import { ByChannel } from "../hub/by-channel.ts";
import type { Clock, TimerHandle } from "../ports.ts";

/** Milliseconds, at least, in which a question can arrive that was asked before the answer was there. */
const CROSSING_MS = 500;

/** An answer that is to be sent, or was just now. */
export interface Answer {
  /** The nodes that it goes to. */
  readonly starts: Set<string>;
  /** The last event when it was begun. */
  readonly upTo: number;
  isSent: boolean;
}

/**
 * What is on its way to nodes that ask: who knows less than it was told just now has asked before that arrived, and is
 * not told it once more. Where it was lost, it is asked for again a second later.
 */
export class Answered {
  readonly #clock: Clock;
  #recent = new ByChannel<Answer[]>();
  #older = new ByChannel<Answer[]>();
  #ageing: TimerHandle | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An answer will be sent. */
  note(app: string, channel: string, answer: Answer): void {
    const noted = this.#recent.get(app, channel);
    if (noted === undefined) this.#recent.set(app, channel, [answer]);
    else noted.push(answer);
    this.#ageing ??= this.#clock.setTimeout(() => this.#age(), CROSSING_MS);
  }

  /** @param floor the event up to which the node knows everything */
  isOnItsWay(app: string, channel: string, start: string, floor: number): boolean {
    return [this.#recent, this.#older].some((answers) =>
      answers.get(app, channel)?.some(({ starts, upTo }) => floor < upTo && starts.has(start)),
    );
  }

  /** Nothing that was sent to a node before can be relied on. */
  forget(start: string): void {
    for (const answers of [this.#recent, this.#older]) {
      for (const [, , noted] of answers.entries()) {
        for (const { starts } of noted) starts.delete(start);
      }
    }
  }

  clear(): void {
    if (this.#ageing !== undefined) this.#clock.clearTimeout(this.#ageing);
    this.#ageing = undefined;
    this.#recent.clear();
    this.#older.clear();
  }

  #age(): void {
    this.#older = this.#recent;
    this.#recent = new ByChannel();
    for (const [app, channel, answers] of this.#older.entries()) {
      const unsent = answers.filter(({ isSent }) => !isSent);
      if (unsent.length > 0) this.#recent.set(app, channel, unsent);
    }
    const isOver = this.#older.apps === 0;
    this.#ageing = isOver ? undefined : this.#clock.setTimeout(() => this.#age(), CROSSING_MS);
  }
}
