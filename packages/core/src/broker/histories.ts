import { ByChannel } from "../hub/by-channel.ts";
import type { Position } from "../hub/position.ts";
import type { Clock } from "../ports.ts";
import { Ring } from "./ring.ts";
import type { HistoryPage, HistoryRequest, Retention, Stream } from "./stream.ts";

/** What a ring costs beside its entries, and an entry beside its content: about that, in bytes. */
const RING_BYTES = 300;
const ENTRY_BYTES = 120;
/** Bytes that a page has at most, if it has more than one entry. */
const PAGE_BYTES = 256 * 1024;

/** How publications are held that are kept for a while. */
export interface Holding<Content> {
  /** The same for keeps: the one that came may be somebody else's a moment later. */
  own(content: Content): Content;
  /** What it takes, in bytes; about that will do. */
  bytes(content: Content): number;
}

export interface HistoriesOptions<Content> {
  readonly clock: Clock;
  /** Names the stream, which all channels share. */
  readonly epoch: string;
  /** Bytes that everything together may take. */
  readonly maxBytes: number;
  readonly holding: Holding<Content>;
}

/** The ring of one channel, and where it belongs. */
interface Place<Content> {
  readonly app: string;
  readonly channel: string;
  readonly ring: Ring<Content>;
  ttlMs: number;
}

/**
 * What the channels of one node keep of what was published in them.
 *
 * Numbers are counted for all channels together: then one position says what a client of several
 * channels has seen, and a channel whose ring had to go needs no number kept for it.
 */
export class Histories<Content> {
  readonly #options: HistoriesOptions<Content>;
  readonly #places = new ByChannel<Place<Content>>();
  /** The one that was used the longest ago first. */
  readonly #byUse = new Set<Place<Content>>();
  #bytes = 0;
  #offset = 0;
  #evicted = 0;
  /** The newest publication of all rings that had to go. */
  #evictedUpTo = 0;

  constructor(options: HistoriesOptions<Content>) {
    this.#options = options;
  }

  /** Bytes of everything that is kept, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Channels of which something is known. */
  get channels(): number {
    return this.#byUse.size;
  }

  /** Channels whose history had to go to make room. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Where the stream stands. */
  get position(): Position {
    return { epoch: this.#options.epoch, offset: this.#offset };
  }

  /** Keeps a publication; answers where it stands. */
  append(app: string, { channel, ...retention }: Stream, content: Content): Position {
    const { clock, holding } = this.#options;
    this.#offset++;
    const place = this.#use(this.#placeOf(app, channel, retention));
    const bytes = ENTRY_BYTES + holding.bytes(content);
    const before = place.ring.bytes;
    const entry = { offset: this.#offset, time: clock.now(), content: holding.own(content) };
    place.ring.add(entry, bytes, retention);
    this.#bytes += place.ring.bytes - before;
    this.#makeRoom();
    return this.position;
  }

  read(app: string, channel: string, request: HistoryRequest): HistoryPage<Content> {
    const { epoch } = this.#options;
    const { since } = request;
    const position = this.position;
    const maxBytes = Math.min(request.maxBytes ?? PAGE_BYTES, PAGE_BYTES);
    const place = this.#places.get(app, channel);
    if (place !== undefined) this.#expire(this.#use(place));
    const ring = place?.ring ?? new Ring<Content>(this.#evictedUpTo);
    if (since !== undefined && (since.epoch !== epoch || since.offset > this.#offset)) {
      return { position, isComplete: false, ...ring.read(undefined, request, maxBytes) };
    }
    const isComplete = request.newestFirst === true || ring.hasAllSince(since?.offset ?? 0);
    return { position, isComplete, ...ring.read(since?.offset, request, maxBytes) };
  }

  #placeOf(app: string, channel: string, { ttlMs }: Retention): Place<Content> {
    const known = this.#places.get(app, channel);
    if (known !== undefined) {
      known.ttlMs = ttlMs;
      return known;
    }
    const place = { app, channel, ring: new Ring<Content>(this.#evictedUpTo), ttlMs };
    this.#places.set(app, channel, place);
    this.#bytes += RING_BYTES;
    return place;
  }

  #use(place: Place<Content>): Place<Content> {
    this.#byUse.delete(place);
    this.#byUse.add(place);
    return place;
  }

  #expire({ ring, ttlMs }: Place<Content>): void {
    const before = ring.bytes;
    ring.expire(this.#options.clock.now() - ttlMs);
    this.#bytes += ring.bytes - before;
  }

  /** Whole channels go, those first that nobody has used for the longest time: never a part of one. */
  #makeRoom(): void {
    for (const place of this.#byUse) {
      if (this.#bytes <= this.#options.maxBytes) return;
      const { app, channel, ring } = place;
      this.#byUse.delete(place);
      this.#places.delete(app, channel);
      this.#bytes -= RING_BYTES + ring.bytes;
      this.#evictedUpTo = Math.max(this.#evictedUpTo, ring.last);
      this.#evicted++;
    }
  }
}
