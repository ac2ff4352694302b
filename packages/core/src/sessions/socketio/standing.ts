import { type Cursor, MAX_STREAMS } from "../../hub/cursor.ts";
import type { Position } from "../../hub/position.ts";
import type { Seen } from "../../hub/seen.ts";

/** What a standing is, for another worker. */
export interface StandingState {
  readonly pid: string;
  readonly starts: readonly ChannelStart[];
  readonly streams: readonly (readonly [epoch: string, bounds: Bounds])[];
}

/** What the cursors of a stream say on a connection. */
interface Bounds {
  /** Behind this offset lies whatever the client can have seen on this connection. */
  readonly origin: number;
  /** Up to this offset a cursor does not say what was seen before it. */
  readonly floor: number;
}

const UNBOUNDED: Bounds = { origin: Number.MAX_SAFE_INTEGER, floor: 0 };

/** A channel, and where the connection stood when it got it; undefined where there is no history for it. */
export type ChannelStart = readonly [channel: string, start: Position | undefined];

/** A channel of a connection that its client comes back to. */
export interface Resumption {
  readonly channel: string;
  readonly start: Position | undefined;
  /** What the client has seen on that connection of the channel's stream; undefined where that is nothing. */
  readonly seen: Seen | undefined;
}

/**
 * Where a connection stands in its channels, so that its client can come back to it.
 *
 * The client says the cursor of the last event that it saw. What came before that event has a smaller
 * cursor, so this one says what the client has of all channels, but for those that it got later: of
 * these it has everything from their start. While a channel is added, though, what is old may come
 * after what is new; which cursors are then ambiguous is what `floor` says.
 */
export class Standing {
  /** The client's proof that the connection is its own. */
  readonly pid: string;
  readonly #starts: Map<string, Position | undefined>;
  /** By epoch. */
  readonly #streams: Map<string, Bounds>;
  #beginnings = 0;
  #isBroken = false;

  constructor({ pid, starts, streams }: StandingState) {
    this.pid = pid;
    this.#starts = new Map(starts);
    this.#streams = new Map(streams);
  }

  static fresh(pid: string): Standing {
    return new Standing({ pid, starts: [], streams: [] });
  }

  get starts(): Iterable<ChannelStart> {
    return this.#starts;
  }

  /** Undefined while it cannot be said what the client will have got. */
  get state(): StandingState | undefined {
    if (this.#isBroken || this.#beginnings > 0) return undefined;
    const { pid } = this;
    return { pid, starts: [...this.#starts], streams: [...this.#streams] };
  }

  /** The connection has a channel from that position on. */
  add(channel: string, start: Position | undefined): void {
    this.#starts.set(channel, start);
    if (start === undefined) return;
    const { origin, floor } = this.#streams.get(start.epoch) ?? UNBOUNDED;
    this.#streams.set(start.epoch, { origin: Math.min(origin, start.offset), floor });
  }

  remove(channel: string): void {
    this.#starts.delete(channel);
  }

  /** A channel is being added. */
  beginning(): void {
    this.#beginnings++;
  }

  /** It has been, and what was sent out of order lies before the next offset of each of these streams. */
  begun(upTo: readonly Position[] = []): void {
    this.#beginnings--;
    for (const { epoch, offset } of upTo) {
      const { origin, floor } = this.#streams.get(epoch) ?? UNBOUNDED;
      this.#streams.set(epoch, { origin, floor: Math.max(floor, offset) });
    }
  }

  /** The client has missed something, or may have. */
  break(): void {
    this.#isBroken = true;
  }
}

/**
 * What a client that comes back has seen of each channel; undefined where that cannot be said. `cursor` is the
 * last that it saw on any connection, and undefined where it saw none.
 */
export function resumptions(
  { starts, streams }: StandingState,
  cursor: Cursor | undefined,
): readonly Resumption[] | undefined {
  const bounds = new Map(streams);
  const found: Resumption[] = [];
  for (const [channel, start] of starts) {
    const seen = start && cursor?.of(start.epoch);
    const { origin, floor } = (start && bounds.get(start.epoch)) ?? UNBOUNDED;
    if (seen === undefined || seen.offset <= origin) {
      // A cursor that names as many streams as it can may be silent about this one.
      const isFull = seen === undefined && cursor?.streams.length === MAX_STREAMS;
      if (start !== undefined && isFull) return undefined;
      // What it saw was on an earlier connection, and nothing on this one.
      found.push({ channel, start, seen: undefined });
    } else if (seen.offset <= floor) {
      return undefined;
    } else {
      found.push({ channel, start, seen });
    }
  }
  return found;
}
