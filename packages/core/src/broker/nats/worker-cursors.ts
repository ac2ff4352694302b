import { MAX_STREAMS, seenText } from "../../hub/cursor.ts";
import type { Position } from "../../hub/position.ts";
import type { Publication } from "../../hub/publication.ts";
import { Seen } from "../../hub/seen.ts";
import type { Clock, Log } from "../../ports.ts";
import type { MeshCounters } from "./counters.ts";
import type { MeshStream } from "./mesh-stream.ts";

/** After how many milliseconds nothing is expected any more that has a smaller number. */
const LATE_MS = 1_000;
/** How often it is noted what is the newest, ms. */
const NOTE_MS = 250;
/** How often it is logged that publications come later than that, ms. */
const LOG_MS = 10_000;

export interface WorkerCursorsOptions {
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "warn">;
  readonly counters: Pick<MeshCounters, "late">;
}

/** A stream, of which there is one object. */
type StreamName = Pick<MeshStream, "app" | "name">;

/** What this worker has delivered of one stream. */
interface Delivered {
  /** Undefined until it is known where any of its channels begins. */
  seen: Seen | undefined;
  /** Where the first of them began. */
  start: number;
  /** When something was delivered for the last time, and some moments before, with what was the newest then. */
  deliveredAt: number;
  notes: { readonly at: number; readonly offset: number }[];
  /** Channels that are wanted, and those of them of which clients may have been sent what is not in `seen`. */
  wanted: number;
  unsure: number;
  /** Its part of a cursor; undefined where it has to be made anew. */
  text: string | undefined;
}

/** A channel that this worker wants, whose clients may recover. */
export interface TrackedChannel {
  /**
   * What comes from now on lies behind that position. `newest` is the newest of the channel that is known to be
   * there, 0 where there is none, undefined where nobody knows.
   */
  begin(position: Position, newest: number | undefined): void;
  /** The next one is about to be delivered: gives it its cursor. */
  deliver(publication: Publication): void;
  /** Whoever waits for it begins, though where it stands is not known. */
  fail(): void;
  /** It is not wanted any more. */
  end(): void;
}

/**
 * What clients of this worker have seen when they see a publication. Each has been sent what this worker has
 * delivered of its channels since they began, so one cursor is that of them all: it names the streams of the app
 * that the worker has channels of, and which of their last numbers it has not delivered.
 */
export class WorkerCursors {
  readonly #options: WorkerCursorsOptions;
  /** By app. */
  readonly #streams = new Map<string, Map<StreamName, Delivered>>();
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: WorkerCursorsOptions) {
    this.#options = options;
  }

  /** A channel of a stream is wanted. */
  track(stream: StreamName): TrackedChannel {
    const delivered = this.#open(stream);
    delivered.wanted++;
    let isUnsure = false;
    const setUnsure = (is: boolean) => {
      if (is === isUnsure) return;
      isUnsure = is;
      delivered.unsure += is ? 1 : -1;
      if (delivered.seen !== undefined) delivered.seen.isSure = delivered.unsure === 0;
      delivered.text = undefined;
    };
    return {
      begin: (position, newest) => {
        this.#begin(delivered, position);
        // One that is about to be delivered says nothing yet of those before it.
        const isKnown = newest !== undefined && newest <= position.offset;
        if (isKnown && newest > 0) delivered.seen?.mark(newest);
        setUnsure(!isKnown);
      },
      deliver: (publication) => {
        if (publication.position === undefined) return;
        this.#deliver(stream, delivered, publication.position);
        setUnsure(false);
        publication.cursor = this.#text(stream.app, delivered);
      },
      fail: () => setUnsure(true),
      end: () => {
        setUnsure(false);
        delivered.wanted--;
        const streams = this.#streams.get(stream.app);
        // What passes by from now on is none of this worker's.
        if (delivered.wanted === 0 && streams?.get(stream) === delivered) streams.delete(stream);
      },
    };
  }

  /** The highest number of a stream that a cursor may have named since the worker wants channels of it; 0 for none. */
  upTo(app: string, epoch: string): number {
    let most = 0;
    for (const { seen } of this.#streams.get(app)?.values() ?? []) {
      if (seen?.epoch === epoch) most = Math.max(most, seen.offset);
    }
    return most;
  }

  #open(stream: StreamName): Delivered {
    let streams = this.#streams.get(stream.app);
    if (streams === undefined) {
      streams = new Map();
      this.#streams.set(stream.app, streams);
    }
    let delivered = streams.get(stream);
    if (delivered === undefined) {
      delivered = {
        seen: undefined,
        start: 0,
        deliveredAt: 0,
        notes: [],
        wanted: 0,
        unsure: 0,
        text: undefined,
      };
      streams.set(stream, delivered);
    }
    return delivered;
  }

  #begin(delivered: Delivered, position: Position): void {
    const { seen } = delivered;
    delivered.text = undefined;
    if (seen?.epoch === position.epoch) return;
    const at = this.#options.clock.now();
    delivered.seen = Seen.upTo(position);
    delivered.seen.isSure = delivered.unsure === 0;
    delivered.start = position.offset;
    delivered.deliveredAt = at;
    delivered.notes = [{ at, offset: position.offset }];
  }

  #deliver(stream: StreamName, delivered: Delivered, position: Position): void {
    const { epoch, offset } = position;
    this.#begin(delivered, { epoch, offset: offset - 1 });
    const { seen } = delivered;
    if (seen === undefined) return;
    const { counters, clock, log } = this.#options;
    const now = clock.now();
    const isLate = offset <= seen.settled && offset > delivered.start;
    const before = seen.offset;
    seen.mark(offset);
    settleOld(delivered, before, now);
    delivered.deliveredAt = now;
    if (!isLate) return;
    counters.late++;
    if (now - this.#loggedAt < LOG_MS) return;
    this.#loggedAt = now;
    const newest = seen.offset;
    const message = "a publication came so late that cursors have passed it";
    log.warn({ stream: stream.name, offset, newest }, message);
  }

  /** The frame's own stream first. */
  #text(app: string, own: Delivered): string {
    const streams = this.#streams.get(app);
    let text = partOf(own);
    let named = 1;
    for (const each of streams?.values() ?? []) {
      if (each === own || each.seen === undefined) continue;
      if (named++ === MAX_STREAMS) break;
      text += `,${partOf(each)}`;
    }
    return text;
  }
}

/** What has a smaller number than what was delivered some time ago is not expected any more; `newest` was, until now. */
function settleOld({ seen, notes, deliveredAt }: Delivered, newest: number, now: number): void {
  if (now - deliveredAt >= LATE_MS) seen?.settle(newest);
  for (let [oldest] = notes; oldest !== undefined && now - oldest.at >= LATE_MS; [oldest] = notes) {
    seen?.settle(oldest.offset);
    notes.shift();
  }
  if (now - (notes.at(-1)?.at ?? 0) >= NOTE_MS) notes.push({ at: now, offset: newest });
}

function partOf(delivered: Delivered): string {
  const { seen } = delivered;
  delivered.text ??= seen === undefined ? "" : seenText(seen);
  return delivered.text;
}
