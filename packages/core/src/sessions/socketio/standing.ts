import type { Position } from "../../hub/position.ts";

/** What a standing is, for another worker. */
export interface StandingState {
  readonly pid: string;
  readonly starts: readonly ChannelStart[];
  /** Behind this offset lies whatever the client can have seen on this connection. */
  readonly origin: number;
  /** Up to this offset a cursor does not say what was seen before it. */
  readonly floor: number;
}

/** A channel, and where the connection stood when it got it; undefined where there is no history for it. */
export type ChannelStart = readonly [channel: string, start: Position | undefined];

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
  #origin: number;
  #floor: number;
  #beginnings = 0;
  #isBroken = false;

  constructor({ pid, starts, origin, floor }: StandingState) {
    this.pid = pid;
    this.#starts = new Map(starts);
    this.#origin = origin;
    this.#floor = floor;
  }

  static fresh(pid: string): Standing {
    return new Standing({ pid, starts: [], origin: Number.MAX_SAFE_INTEGER, floor: 0 });
  }

  get starts(): Iterable<ChannelStart> {
    return this.#starts;
  }

  /** Undefined while it cannot be said what the client will have got. */
  get state(): StandingState | undefined {
    if (this.#isBroken || this.#beginnings > 0) return undefined;
    const { pid } = this;
    return { pid, starts: [...this.#starts], origin: this.#origin, floor: this.#floor };
  }

  /** The connection has a channel from that position on. */
  add(channel: string, start: Position | undefined): void {
    this.#starts.set(channel, start);
    if (start !== undefined) this.#origin = Math.min(this.#origin, start.offset);
  }

  remove(channel: string): void {
    this.#starts.delete(channel);
  }

  /** A channel is being added. */
  beginning(): void {
    this.#beginnings++;
  }

  /** It has been, and what was sent out of order lies before the next offset. */
  begun(upTo = 0): void {
    this.#beginnings--;
    this.#floor = Math.max(this.#floor, upTo);
  }

  /** The client has missed something, or may have. */
  break(): void {
    this.#isBroken = true;
  }
}

/**
 * From where a client that comes back goes on in each channel; undefined where that cannot be said.
 * `cursor` is the last that it saw on any connection, and undefined where it saw none.
 */
export function startsBehind(
  { starts, origin, floor }: StandingState,
  cursor: Position | undefined,
): readonly ChannelStart[] | undefined {
  const epoch = starts.find(([, start]) => start !== undefined)?.[1]?.epoch;
  // Then it saw that on an earlier connection, and nothing on this one.
  if (cursor === undefined || cursor.epoch !== epoch || cursor.offset <= origin) return starts;
  if (cursor.offset <= floor) return undefined;
  return starts.map(([channel, start]): ChannelStart => {
    if (start === undefined) return [channel, start];
    return [channel, { ...start, offset: Math.max(start.offset, cursor.offset) }];
  });
}
