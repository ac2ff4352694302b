import type { AfterTurn } from "../ports.ts";
import type { LogRecord } from "./facts.ts";
import { type Ask, chunksOf, type HookMessage } from "./messages.ts";
import type { OwnLog } from "./own-log.ts";

export interface OwnFeedOptions {
  readonly own: OwnLog;
  readonly afterTurn: AfterTurn;
  send(message: HookMessage, to: string): void;
}

/** The node that sends, and the name of the time for which it does. */
export interface Sender {
  readonly start: string;
  readonly log: string;
}

/** Tells the node that sends what happens on this one, in order; where that has a gap, it asks. */
export class OwnFeed {
  readonly #options: OwnFeedOptions;
  #to: Sender | undefined;
  /** Records that it has not been sent, and the last one that it has. */
  #unsent: LogRecord[] = [];
  #sentUpTo = 0;
  #isDue = false;

  constructor(options: OwnFeedOptions) {
    this.#options = options;
  }

  /** From now on records go there, or nowhere; what happened before is asked for where it is missing. */
  direct(to: Sender | undefined): void {
    this.#to = to;
    this.#unsent = [];
    this.#sentUpTo = this.#options.own.last;
  }

  push(record: LogRecord): void {
    if (this.#to === undefined) return;
    this.#unsent.push(record);
    if (this.#isDue) return;
    this.#isDue = true;
    this.#options.afterTurn(() => {
      this.#isDue = false;
      this.flush();
    });
  }

  flush(): void {
    const records = this.#unsent;
    this.#unsent = [];
    if (this.#to === undefined || records.length === 0) return;
    const { start, log } = this.#to;
    for (const chunk of chunksOf(records)) {
      this.#options.send({ type: "records", log, before: this.#sentUpTo, records: chunk }, start);
      this.#sentUpTo = chunk.at(-1)?.seq ?? this.#sentUpTo;
    }
  }

  /** The node that sends asks for what it does not know. */
  answer({ position, wantsFacts }: Ask): void {
    if (this.#to === undefined) return;
    const { start, log } = this.#to;
    const { facts, at, records } = this.#options.own.after(position, wantsFacts);
    if (facts !== undefined) {
      const chunks = chunksOf(facts.values());
      for (const [index, chunk] of chunks.entries()) {
        const isLast = index === chunks.length - 1;
        this.#options.send({ type: "facts", log, at, index, isLast, facts: chunk }, start);
      }
    }
    this.#sentUpTo = at;
    this.#unsent = [...records];
    this.flush();
  }
}
