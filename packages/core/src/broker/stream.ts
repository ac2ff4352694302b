import type { Position } from "../hub/position.ts";

/** What a channel keeps of what was published in it. */
export interface Retention {
  /** Publications, the newest. */
  readonly size: number;
  /** Milliseconds for which each is kept. */
  readonly ttlMs: number;
}

/** A channel with history in which something is published. */
export interface Stream extends Retention {
  readonly channel: string;
  /** Where the mesh has put it already: the node keeps nothing of it, and counts its subscribers. */
  readonly position?: Position | undefined;
}

/** What is wanted of a channel's history. */
export interface HistoryRequest {
  /** Only what came behind it, or before it where `newestFirst`. */
  readonly since?: Position | undefined;
  /** Publications at most; fewer come where they are large. */
  readonly limit: number;
  /** Bytes of these at most, about, but one publication in any case; 256 KiB by default and at most. */
  readonly maxBytes?: number | undefined;
  /** Whether to go backwards, from the last publication or from `since`; default `false`. */
  readonly newestFirst?: boolean;
}

/** One publication of a channel's history. */
export interface HistoryEntry<Content> {
  readonly offset: number;
  /** When it was published, ms since the epoch. */
  readonly time: number;
  readonly content: Content;
}

/** A part of a channel's history. */
export interface HistoryPage<Content> {
  /**
   * Where the stream stood. Whatever is published later comes behind it, and everything in the
   * channel up to it was in the history.
   */
  readonly position: Position;
  /** The newest number of the stream when it was looked at; the position's own where it is left out. */
  readonly newest?: number;
  /** In the order in which they were asked for. */
  readonly entries: readonly HistoryEntry<Content>[];
  /**
   * Whether nothing is missing before the first of `entries`, back to `since` or the beginning: false
   * where some of it is not kept any more, or `since` is a place in another stream.
   */
  readonly isComplete: boolean;
  /** Whether more follows behind the last of `entries`, in the order in which they were asked for. */
  readonly hasMore: boolean;
}
