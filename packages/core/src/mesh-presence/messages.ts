import type { Delta, Known } from "./own-channel.ts";

/** One start of a node: what a process forgets when it ends, another one does not know. */
export interface Incarnation {
  /** Names the machine; empty where it has no name. Two starts of it follow one another. */
  readonly node: string;
  /** Names the start, among all of all times. */
  readonly start: string;
  /** When it was, ms since the epoch; compared with other starts of the same node only. */
  readonly since: number;
}

/** A channel that has members, or had some not long ago, by the hash of its name, and its last event. */
export type Mark = readonly [hash: number, last: number];

/** Says that a node is there, and what has changed since it said so before. */
export interface Beat extends Omit<Incarnation, "start"> {
  readonly type: "beat";
  /** Counts the beats of this start: who misses one does not know what has changed. */
  readonly sequence: number;
  /** The last event of all. */
  readonly now: number;
  /** Channels with members. */
  readonly channels: number;
  /** Whether the others are to say at once that they are there. */
  readonly isHello: boolean;
  /** What the node says of itself, for others than this module; text of its own kind. */
  readonly about: string;
  readonly changes: readonly Mark[];
}

/** Asks who is in some channels. */
export interface Ask {
  readonly type: "ask";
  /** Counts the questions of this start: one that comes twice is answered once. */
  readonly number: number;
  /** Whether somebody waits for the answer; else owners gather what others ask, too. */
  readonly isUrgent: boolean;
  readonly wants: readonly Want[];
}

export interface Want {
  readonly app: string;
  readonly channel: string;
  readonly known: Known;
}

/** The channels that a node has members in and whose hashes are from `low` to `high`, in the order of these. */
export interface Digest {
  readonly type: "digest";
  readonly now: number;
  readonly low: number;
  readonly high: number;
  readonly marks: readonly Mark[];
}

/** What is said of one channel; without news where it is an answer. */
export interface Part extends Delta {
  readonly app: string;
  readonly channel: string;
  /** Where it is a part of a longer answer. */
  readonly place?: Place | undefined;
}

/** The place of a part in an answer, of which the last is of no use without all others. */
export interface Place {
  /** Counts the answers of the start. */
  readonly answer: number;
  /** From 1. */
  readonly index: number;
  readonly isLast: boolean;
}

export interface Told {
  readonly type: "told";
  readonly parts: readonly Part[];
}

/** What nodes say to one another of who is present. */
export type Message =
  | Beat
  /** The node ends, and its members leave. */
  | { readonly type: "bye" }
  | Ask
  /** Asks for a digest. */
  | { readonly type: "compare" }
  | Digest
  | Told;

/** To whom a message goes. */
export type Address =
  | { readonly to: "all" }
  | { readonly to: "node"; readonly start: string }
  /** All that are interested in a channel. */
  | { readonly to: "channel"; readonly app: string; readonly channel: string };

/** How nodes reach one another: a message arrives once, in order, as a rule, and may be lost. */
export interface MeshTransport {
  /** Sends at once, or not at all. */
  send(address: Address, message: Message): void;
  /** Calls back when what was sent is on its way, or never will be. */
  whenSent(callback: () => void): void;
  /** Whether what goes to a channel is to arrive here. */
  listen(app: string, channel: string, isWanted: boolean): void;
}
