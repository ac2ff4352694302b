import { Cursor, seenText } from "./cursor.ts";
import type { Position } from "./position.ts";
import { Seen } from "./seen.ts";
import type { Beginning } from "./track.ts";

/** How a channel begins in which a client gets what it missed. */
export interface Start {
  readonly from: Beginning["from"];
  readonly position: Position;
  readonly isRecovered: boolean;
}

/** What one client has seen of the streams of its channels, while it is sent what it missed of them. */
export class Progress {
  readonly #streams: ReadonlyMap<string, Seen>;

  constructor(starts: readonly Start[]) {
    const byEpoch = Map.groupBy(starts, ({ position }) => position.epoch);
    this.#streams = new Map(Array.from(byEpoch, ([epoch, all]) => [epoch, startOf(all)]));
  }

  /** Streams that the cursor names. */
  get size(): number {
    return this.#streams.size;
  }

  /** The client is sent a number, and has been sent all before it that it wants. */
  settle(epoch: string, offset: number): void {
    const seen = this.#streams.get(epoch);
    if (seen === undefined) return;
    seen.settle(offset);
    if (seen.offset === offset) seen.isSure = true;
  }

  /** The client is sent a number. */
  mark(epoch: string, offset: number): void {
    this.#streams.get(epoch)?.mark(offset);
  }

  /** The text of the cursor. */
  get text(): string {
    return Array.from(this.#streams.values(), seenText).join(",");
  }
}

/** What stands further on in one channel is not to be passed over in another. */
function startOf(starts: readonly Start[]): Seen {
  const [only, ...others] = starts.map(({ from, position, isRecovered }) => {
    const known = from instanceof Cursor && isRecovered ? from.of(position.epoch) : undefined;
    // With one channel alone it is known where it stands.
    return starts.length > 1 && known !== undefined ? known.copy() : Seen.upTo(position);
  });
  if (only === undefined) throw new RangeError("a stream begins with a channel");
  return others.reduce((least, each) => (each.offset < least.offset ? each : least), only);
}
