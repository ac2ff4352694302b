import type { Fact, LogRecord } from "./facts.ts";
import type { Entry, Piece } from "./ledger.ts";

/** Says that a node has hooks, and how far it is. */
export interface Beat {
  readonly type: "beat";
  /** When the node began, ms since the epoch: the one that began first is to send. */
  readonly since: number;
  /** The name of its time as the sender, where it is the one; else empty. */
  readonly sends: string;
  /** The name of the sender's time that it follows, as far as `number`; empty where it knows too little to send. */
  readonly log: string;
  readonly number: number;
  /** Its last record. */
  readonly last: number;
  /** Whether the others are to say at once how they are. */
  readonly isHello: boolean;
  /** Whether it stops, and is not to send any more. */
  readonly isLeaving: boolean;
}

/** Whoever has followed `former` up to `number` can follow `log` from there on. */
export interface Lead {
  readonly type: "lead";
  readonly log: string;
  readonly former: string;
  readonly number: number;
}

/** The sender asks a node for what has happened there. */
export interface Ask {
  readonly type: "ask";
  readonly log: string;
  /** The last record that it knows; undefined where it knows none. */
  readonly position: number | undefined;
  readonly wantsFacts: boolean;
}

/** What happened on a node after its record `before`, for the sender. */
export interface Records {
  readonly type: "records";
  readonly log: string;
  readonly before: number;
  readonly records: readonly LogRecord[];
}

/** A part of all that held on a node after its record `at`, for the sender. */
export interface FactsPart {
  readonly type: "facts";
  readonly log: string;
  readonly at: number;
  /** From 0. */
  readonly index: number;
  readonly isLast: boolean;
  readonly facts: readonly Fact[];
}

/** What the sender has decided, from entry `first` on. */
export interface Entries {
  readonly type: "entries";
  readonly log: string;
  readonly first: number;
  readonly entries: readonly Entry[];
}

/** Asks the sender for everything. */
export interface Want {
  readonly type: "want";
  readonly log: string;
}

/** A part of all that the sender knows as of entry `number`. */
export interface State {
  readonly type: "state";
  readonly log: string;
  readonly number: number;
  /** From 0. */
  readonly index: number;
  readonly isLast: boolean;
  readonly pieces: readonly Piece[];
}

/** What the nodes of a mesh say to one another of hooks. */
export type HookMessage = Beat | Lead | Ask | Records | FactsPart | Entries | Want | State;

/** How nodes reach one another: a message arrives once and in order, as a rule, and may be lost. */
export interface HookTransport {
  /** Sends at once, or not at all; to all other nodes where no start is given. */
  send(message: HookMessage, to?: string): void;
  /** Answers whether what was sent up to now is with NATS. */
  flushed(): Promise<boolean>;
}

/** Characters of one message, about: NATS takes a mebibyte unless it is told otherwise. */
const MAX_CHARACTERS = 96 * 1024;
/** Characters of an item beside its texts. */
const ITEM_CHARACTERS = 64;

/** Items as lists of which each fits into one message; at least one. */
export function chunksOf<T extends object>(items: Iterable<T>): T[][] {
  let chunk: T[] = [];
  const chunks = [chunk];
  let characters = 0;
  for (const item of items) {
    const length = lengthOf(item);
    if (chunk.length > 0 && characters + length > MAX_CHARACTERS) {
      chunk = [];
      chunks.push(chunk);
      characters = 0;
    }
    chunk.push(item);
    characters += length;
  }
  return chunks;
}

/** What the sender has decided, as messages. */
export function* entriesOf(
  log: string,
  first: number,
  entries: readonly Entry[],
): Iterable<Entries> {
  let next = first;
  for (const chunk of chunksOf(entries)) {
    yield { type: "entries", log, first: next, entries: chunk };
    next += chunk.length;
  }
}

/** All that the sender knows, as messages. */
export function* statesOf(log: string, number: number, all: Iterable<Piece>): Iterable<State> {
  const chunks = chunksOf(all);
  for (const [index, pieces] of chunks.entries()) {
    const isLast = index === chunks.length - 1;
    yield { type: "state", log, number, index, isLast, pieces };
  }
}

function lengthOf(item: object): number {
  let length = ITEM_CHARACTERS;
  for (const value of Object.values(item)) {
    if (typeof value === "string") length += value.length;
    else if (typeof value === "object" && value !== null) length += lengthOf(value);
  }
  return length;
}
