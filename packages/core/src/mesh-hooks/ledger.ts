import { ByChannel } from "../hub/by-channel.ts";
import { type Change, type Fact, type Facts, keyOf } from "./facts.ts";

/** Starts that are gone and whose place in their log is remembered. */
const MAX_GONE = 1_000;

/** What the sender has decided, in its order; its number is its place in the ledger. */
export interface Entry {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** The start of a node whose doing it is; empty where it is nobody's. */
  readonly start: string;
  /** The record of that start that it comes from; 0 where it comes from none. */
  readonly seq: number;
  readonly step: Step;
}

export type Step =
  | Exclude<Change, { readonly op: "doubted" | "emptied" }>
  /** Tells again that it holds, since a receiver may have been told otherwise. */
  | { readonly op: "again"; readonly fact: Fact }
  /** Nobody has come back. */
  | { readonly op: "vacated"; readonly app: string; readonly channel: string }
  /** Everything that the start said up to its record is known. */
  | { readonly op: "known" }
  /** The start is gone; its facts have ended before. */
  | { readonly op: "gone" }
  /** What was told up to that number has been taken, or never will be. */
  | { readonly op: "settled"; readonly upTo: number };

/** What a receiver is told of a fact. */
type Told = Pick<Pending, "fact" | "holds">;

/** An event that the receivers may not have. */
export interface Pending {
  readonly number: number;
  readonly id: string;
  readonly at: number;
  readonly fact: Fact;
  /** Whether it is told to begin, or to end. */
  readonly holds: boolean;
}

/** A start of a node, as the sender knows it. */
interface Origin {
  readonly facts: Facts;
  position: number;
  isGone: boolean;
  /** Its records that were taken and are not settled: the number of the entry, and the record. */
  readonly unsettled: [number: number, seq: number][];
  settled: number;
}

/** A piece of what the sender knows, for whoever begins to follow it. */
export type Piece =
  | {
      readonly is: "origin";
      readonly start: string;
      readonly position: number;
      readonly settled: number;
      readonly isGone: boolean;
    }
  | { readonly is: "fact"; readonly start: string; readonly fact: Fact }
  | { readonly is: "lingering"; readonly app: string; readonly channel: string }
  | { readonly is: "pending"; readonly pending: Pending };

/**
 * What the receivers have been told, or will have been when all that is pending is with them. Every node has it, by
 * doing what the sender says in its order, so that any of them can be the next sender.
 */
export class Ledger {
  readonly #origins = new Map<string, Origin>();
  /** How many starts say that a fact holds. */
  readonly #holders = new Map<string, number>();
  /** Channels that are occupied as far as the receivers know, and have nobody. */
  readonly #lingering = new ByChannel<true>();
  #pending: Pending[] = [];
  /** The last entry. */
  number: number;

  constructor(number = 0) {
    this.number = number;
  }

  /** Does what the entry says; answers what the receivers are to be told. */
  apply({ at, start, seq, step }: Entry, log: string): Pending | undefined {
    this.number++;
    if (seq > 0) this.#took(start, seq);
    const told = this.#do(start, step);
    if (told === undefined) return undefined;
    const pending = { number: this.number, id: `${log}.${this.number}`, at, ...told };
    this.#pending.push(pending);
    return pending;
  }

  get pending(): readonly Pending[] {
    return this.#pending;
  }

  /** Starts of nodes that are there. */
  starts(): string[] {
    return [...this.#origins].filter(([, { isGone }]) => !isGone).map(([start]) => start);
  }

  isThere(start: string): boolean {
    return this.#origins.get(start)?.isGone === false;
  }

  /** The last record of a start that was taken, also where it is gone; undefined where it was never there. */
  position(start: string): number | undefined {
    return this.#origins.get(start)?.position;
  }

  /** The last record of a start that the receivers know all about. */
  settled(start: string): number {
    return this.#origins.get(start)?.settled ?? 0;
  }

  facts(start: string): ReadonlyMap<string, Fact> {
    return this.#origins.get(start)?.facts ?? new Map();
  }

  /** Whether any node says so. */
  holds(fact: Fact): boolean {
    return this.#holders.has(keyOf(fact));
  }

  isLingering(app: string, channel: string): boolean {
    return this.#lingering.get(app, channel) === true;
  }

  *lingering(): Iterable<readonly [app: string, channel: string]> {
    for (const [app, channel] of this.#lingering.entries()) yield [app, channel];
  }

  /** Facts of all nodes. */
  get size(): number {
    return this.#holders.size;
  }

  /** Everything, for another ledger of the same number. */
  *pieces(): Iterable<Piece> {
    for (const [start, { position, settled, isGone, facts }] of this.#origins) {
      yield { is: "origin", start, position, settled, isGone };
      for (const fact of facts.values()) yield { is: "fact", start, fact };
    }
    for (const [app, channel] of this.lingering()) yield { is: "lingering", app, channel };
    for (const pending of this.#pending) yield { is: "pending", pending };
  }

  /** Adds a piece of another ledger. */
  add(piece: Piece): void {
    switch (piece.is) {
      case "origin": {
        const origin = this.#origin(piece.start);
        origin.position = piece.position;
        origin.isGone = piece.isGone;
        origin.settled = piece.settled;
        // What lies between is not known entry by entry.
        if (piece.position > piece.settled) origin.unsettled.push([this.number, piece.position]);
        break;
      }
      case "fact":
        this.#hold(piece.start, piece.fact);
        break;
      case "lingering":
        this.#lingering.set(piece.app, piece.channel, true);
        break;
      case "pending":
        this.#pending.push(piece.pending);
        break;
    }
  }

  #do(start: string, step: Step): Told | undefined {
    switch (step.op) {
      case "on":
        return this.#hold(start, step.fact) ? this.#begun(step.fact) : undefined;
      case "off":
        return this.#release(start, step.fact) ? this.#ended(step.fact) : undefined;
      case "ended":
        return this.holds(step.fact) ? undefined : this.#endedAnyway(step.fact);
      case "again":
        return this.holds(step.fact) ? { fact: step.fact, holds: true } : undefined;
      case "vacated": {
        const { app, channel } = step;
        if (!this.isLingering(app, channel)) return undefined;
        this.#lingering.delete(app, channel);
        return { fact: { kind: "channel", app, channel }, holds: false };
      }
      case "known":
        this.#origin(start).isGone = false;
        return undefined;
      case "gone":
        this.#gone(start);
        return undefined;
      case "settled":
        this.#settle(step.upTo);
        return undefined;
    }
  }

  #begun(fact: Fact): Told | undefined {
    if (fact.kind === "channel" && this.isLingering(fact.app, fact.channel)) {
      this.#lingering.delete(fact.app, fact.channel);
      return undefined;
    }
    return { fact, holds: true };
  }

  #ended(fact: Fact): Told | undefined {
    if (fact.kind !== "channel") return { fact, holds: false };
    this.#lingering.set(fact.app, fact.channel, true);
    return undefined;
  }

  /** It is not known what the receivers believe, so nobody is waited for. */
  #endedAnyway(fact: Fact): Told {
    if (fact.kind === "channel") this.#lingering.delete(fact.app, fact.channel);
    return { fact, holds: false };
  }

  /** Answers whether nobody held it before. */
  #hold(start: string, fact: Fact): boolean {
    const { facts } = this.#origin(start);
    const key = keyOf(fact);
    if (facts.has(key)) return false;
    facts.set(key, fact);
    const holders = this.#holders.get(key) ?? 0;
    this.#holders.set(key, holders + 1);
    return holders === 0;
  }

  /** Answers whether nobody holds it any more. */
  #release(start: string, fact: Fact): boolean {
    const key = keyOf(fact);
    if (this.#origins.get(start)?.facts.delete(key) !== true) return false;
    const holders = (this.#holders.get(key) ?? 1) - 1;
    if (holders > 0) {
      this.#holders.set(key, holders);
      return false;
    }
    this.#holders.delete(key);
    return true;
  }

  #took(start: string, seq: number): void {
    const origin = this.#origin(start);
    origin.position = seq;
    origin.unsettled.push([this.number, seq]);
  }

  #settle(upTo: number): void {
    const rest = this.#pending.findIndex(({ number }) => number > upTo);
    this.#pending = rest === -1 ? [] : this.#pending.slice(rest);
    for (const origin of this.#origins.values()) {
      const { unsettled } = origin;
      const later = unsettled.findIndex(([number]) => number > upTo);
      const done = unsettled.splice(0, later === -1 ? unsettled.length : later);
      origin.settled = done.at(-1)?.[1] ?? origin.settled;
    }
  }

  #gone(start: string): void {
    const origin = this.#origins.get(start);
    if (origin === undefined) return;
    // The one that went last is forgotten last.
    this.#origins.delete(start);
    this.#origins.set(start, origin);
    origin.isGone = true;
    const gone = [...this.#origins].filter(([, { isGone }]) => isGone);
    const [oldest] = gone;
    if (gone.length > MAX_GONE && oldest !== undefined) this.#origins.delete(oldest[0]);
  }

  #origin(start: string): Origin {
    const known = this.#origins.get(start);
    if (known !== undefined) return known;
    const origin: Origin = {
      ...{ facts: new Map(), position: 0, isGone: false, unsettled: [], settled: 0 },
    };
    this.#origins.set(start, origin);
    return origin;
  }
}
