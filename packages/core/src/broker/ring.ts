import type { HistoryEntry, HistoryRequest, Retention } from "./stream.ts";

/** An entry, and what it takes. */
interface Kept<Content> extends HistoryEntry<Content> {
  readonly bytes: number;
}

/** The newest publications of one channel. */
export class Ring<Content> {
  /** Oldest first, from `#start` on; what lies before is gone. */
  #entries: (Kept<Content> | undefined)[] = [];
  #start = 0;
  #bytes = 0;
  /** The last publication that this ring does not have, or that it never had. */
  #lostUpTo: number;

  /** Everything up to `lostUpTo` is taken for lost. */
  constructor(lostUpTo: number) {
    this.#lostUpTo = lostUpTo;
  }

  /** Bytes of everything that is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.length - this.#start;
  }

  /** The offset of the newest publication that it ever had. */
  get last(): number {
    return this.#entries.at(-1)?.offset ?? this.#lostUpTo;
  }

  add(entry: HistoryEntry<Content>, bytes: number, { size, ttlMs }: Retention): void {
    this.#entries.push({ ...entry, bytes });
    this.#bytes += bytes;
    while (this.size > size) this.#dropOldest();
    this.expire(entry.time - ttlMs);
  }

  /** Drops what was published at that time or before. */
  expire(time: number): void {
    while ((this.#oldest?.time ?? Number.POSITIVE_INFINITY) <= time) this.#dropOldest();
  }

  /** Whether it has everything that came behind that offset. */
  hasAllSince(offset: number): boolean {
    return offset >= this.#lostUpTo;
  }

  /**
   * The entries behind an offset, or before it where the newest come first, as many as are wanted and
   * fit into so many bytes but at least one; and whether there are more.
   */
  read(
    offset: number | undefined,
    { limit, newestFirst = false }: HistoryRequest,
    maxBytes: number,
  ): { readonly entries: readonly HistoryEntry<Content>[]; readonly hasMore: boolean } {
    const all = this.#entries;
    const first = newestFirst ? this.#indexBefore(offset) : this.#indexAfter(offset ?? 0);
    const step = newestFirst ? -1 : 1;
    const entries: HistoryEntry<Content>[] = [];
    let index = first;
    for (let bytes = 0; entries.length < limit; index += step) {
      const entry = all[index];
      if (entry === undefined) break;
      bytes += entry.bytes;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push({ offset: entry.offset, time: entry.time, content: entry.content });
    }
    return { entries, hasMore: all[index] !== undefined };
  }

  get #oldest(): Kept<Content> | undefined {
    return this.#entries[this.#start];
  }

  #dropOldest(): void {
    const oldest = this.#oldest;
    if (oldest === undefined) return;
    this.#bytes -= oldest.bytes;
    this.#lostUpTo = oldest.offset;
    this.#entries[this.#start] = undefined;
    this.#start++;
    // Moving the rest up once in a while costs less than moving it each time.
    if (this.#start * 2 <= this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#start);
    this.#start = 0;
  }

  /** The index of the last entry before an offset; of the very last where there is none. */
  #indexBefore(offset: number | undefined): number {
    return offset === undefined ? this.#entries.length - 1 : this.#indexAfter(offset - 1) - 1;
  }

  /** The index of the first entry behind an offset, by halving. */
  #indexAfter(offset: number): number {
    let [low, high] = [this.#start, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.offset ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
