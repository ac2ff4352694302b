import type { AfterTurn } from "@starling/core/ports.ts";

/** Something with packets to send. */
export interface Paced {
  /** Sends some of what waits; answers how many packets that were. */
  flush(): number;
  /** Whether more could be sent now. */
  readonly hasMore: boolean;
}

/** Packets of one turn: more at a time, and the acknowledgements of clients are lost on their way in. */
export const PACKETS_A_TURN = 64;

/**
 * Sends what sessions have to send, in slices, so that between two of them the process reads what
 * comes in. What is said to a session within a turn leaves together.
 */
export class Pacer {
  readonly #afterTurn: AfterTurn;
  #waiting: Paced[] = [];
  /** Where the next one is. */
  #at = 0;
  #isScheduled = false;

  constructor(afterTurn: AfterTurn) {
    this.#afterTurn = afterTurn;
  }

  /** Has it flushed soon; to be called once until then. */
  add(paced: Paced): void {
    this.#waiting.push(paced);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#afterTurn(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    let left = PACKETS_A_TURN;
    while (left > 0) {
      const next = this.#waiting[this.#at];
      if (next === undefined) break;
      this.#at++;
      left -= next.flush();
      if (next.hasMore) this.#waiting.push(next);
    }
    if (this.#at < this.#waiting.length) {
      this.#forgetSent();
      this.#schedule();
    } else {
      this.#waiting = [];
      this.#at = 0;
    }
  }

  /** Now and then, since to move the rest costs as much as it is long. */
  #forgetSent(): void {
    if (this.#at < this.#waiting.length / 2) return;
    this.#waiting = this.#waiting.slice(this.#at);
    this.#at = 0;
  }
}
