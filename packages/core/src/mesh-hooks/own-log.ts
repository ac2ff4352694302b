import { applyTo, type Change, type Facts, keyOf, type LogRecord } from "./facts.ts";

/** What another node needs to know all of a log: the facts at a moment, where it has to be told, and what followed. */
export interface LogPart {
  /** Absent where it knows everything up to `at`. */
  readonly facts: Facts | undefined;
  readonly at: number;
  readonly records: readonly LogRecord[];
}

/**
 * What has happened on this node, kept until a receiver has taken what is told of it.
 *
 * Where too much is kept, what came and went without being told goes first, so that the log never has more records
 * than facts that have changed.
 */
export class OwnLog {
  readonly #maxRecords: number;
  /** The facts when everything up to `#settled` had happened. */
  readonly #base: Facts = new Map();
  #settled = 0;
  #records: LogRecord[] = [];
  #last = 0;
  /** Between these some records are missing: whoever has taken others from there cannot know what they undid. */
  #compactedFrom = 0;
  #compacted = 0;
  #limit: number;
  /** Changes that nobody will be told of. */
  dropped = 0;

  constructor(maxRecords: number) {
    this.#maxRecords = maxRecords;
    this.#limit = maxRecords;
  }

  /** The number of the last record; 0 before any. */
  get last(): number {
    return this.#last;
  }

  /** Records that are kept. */
  get size(): number {
    return this.#records.length;
  }

  append(change: Change, at: number): LogRecord {
    this.#last++;
    const record = { seq: this.#last, at, change };
    this.#records.push(record);
    if (this.#records.length > this.#limit) this.#compact();
    return record;
  }

  /** Everything up to there has been told, and is needed no more. */
  settle(seq: number): void {
    if (seq <= this.#settled) return;
    const rest = this.#records.findIndex((record) => record.seq > seq);
    const done = this.#records.splice(0, rest === -1 ? this.#records.length : rest);
    for (const { change } of done) applyTo(this.#base, change);
    this.#settled = Math.min(seq, this.#last);
    this.#limit = Math.max(this.#maxRecords, this.#records.length * 2);
  }

  /**
   * What followed on `position`, with the facts before it where they are wanted or it is too far back.
   *
   * @param position undefined where nothing is known
   */
  after(position: number | undefined, wantsFacts: boolean): LogPart {
    const known = position ?? 0;
    const isBetween = known > this.#compactedFrom && known < this.#compacted;
    const at = Math.max(isBetween ? this.#compacted : known, this.#settled);
    const records = this.#records.filter(({ seq }) => seq > at);
    if (!wantsFacts && position !== undefined && position === at) {
      return { facts: undefined, at, records };
    }
    const facts: Facts = new Map(this.#base);
    for (const { seq, change } of this.#records) if (seq <= at) applyTo(facts, change);
    return { facts, at, records };
  }

  /** Keeps the last change of each fact that is otherwise than before all of them. */
  #compact(): void {
    const lasts = new Map<string, LogRecord>();
    for (const record of this.#records) {
      const { change } = record;
      if (change.op === "on" || change.op === "off") lasts.set(keyOf(change.fact), record);
    }
    const before = this.#records.length;
    this.#records = this.#records.filter((record) => {
      const { change } = record;
      if (change.op !== "on" && change.op !== "off") return true;
      const key = keyOf(change.fact);
      return lasts.get(key) === record && this.#base.has(key) !== (change.op === "on");
    });
    if (this.#settled >= this.#compacted) this.#compactedFrom = this.#settled;
    this.#compacted = this.#last;
    this.dropped += before - this.#records.length;
    this.#limit = Math.max(this.#maxRecords, this.#records.length * 2);
  }
}
