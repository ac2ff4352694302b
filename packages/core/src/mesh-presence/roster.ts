import type { Member } from "../hub/member.ts";
import { Dots } from "./dots.ts";

/** What the owner of a member last said of it. Nobody changes it: what is new is another entry. */
export interface Entry {
  /** Which of the owner's events made it so; the owner counts them, over all of its channels. */
  readonly dot: number;
  readonly member: Readonly<Member>;
  /** Whether it was announced. */
  readonly isOnline: boolean;
}

/**
 * A part of what an owner says of a channel: of the dots in `context`, those of `entries` are there, and all others
 * are not, or not any more. Everything that was ever said stays true, so parts can be put together in any order.
 */
export interface Statement {
  /**
   * Events all of whose effects are told, whether by their own dots or by those that they put an end to. A dot can be
   * in a context for being no more, while what it had put an end to is not, so that contexts do not tell gaps.
   */
  readonly heard: Dots;
  readonly context: Dots;
  /** Their dots are in the context. */
  readonly entries: readonly Entry[];
}

/** What became of a connection: what was known of it, and what is known now. */
export interface Change {
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

/**
 * The members that one owner has in one channel, as far as it was heard: an observed-remove map with a causal
 * context, so that merging is commutative, associative and idempotent, and what has left needs no tombstone.
 */
export class Roster {
  readonly #heard = Dots.none();
  readonly #context = Dots.none();
  readonly #entries = new Map<number, Entry>();
  /** The newest entry of each connection; a gap can leave an older one beside it. */
  readonly #members = new Map<string, Entry>();

  /** Dots that are known to be there, or not any more; to look at. */
  get context(): Dots {
    return this.#context;
  }

  /** Events that are known with all their effects; to look at. */
  get heard(): Dots {
    return this.#heard;
  }

  /** The event up to which everything is known; 0 where something of the first is missing. */
  get floor(): number {
    return Math.min(this.#heard.floor, this.#context.floor);
  }

  /** Whether nothing is missing in between of what was heard. */
  get isWhole(): boolean {
    return this.#heard.isWhole && this.#context.isWhole && this.#context.last >= this.#heard.last;
  }

  /** Members. */
  get size(): number {
    return this.#members.size;
  }

  get(connection: string): Entry | undefined {
    return this.#members.get(connection);
  }

  members(): Iterable<Entry> {
    return this.#members.values();
  }

  /** All that is known, as a statement. */
  get statement(): Statement {
    const entries = [...this.#entries.values()];
    return { heard: this.#heard.copy(), context: this.#context.copy(), entries };
  }

  /** Takes in a statement; answers what became of each connection that it changes something of. */
  merge({ heard, context, entries }: Statement): ReadonlyMap<string, Change> {
    const changes = new Map<string, Change>();
    const stated = new Set<number>();
    const news: Entry[] = [];
    for (const entry of entries) {
      stated.add(entry.dot);
      if (!this.#context.has(entry.dot)) news.push(entry);
    }
    // Before anything is taken away, so that what has changed is never looked for among all others.
    for (const entry of news) this.#add(entry, changes);
    for (const entry of this.#within(context)) {
      if (!stated.has(entry.dot)) this.#remove(entry, changes);
    }
    this.#context.addAll(context);
    this.#heard.addAll(heard);
    return changes;
  }

  #add(entry: Entry, changes: Map<string, Change>): void {
    const { connection } = entry.member;
    this.#entries.set(entry.dot, entry);
    const newest = this.#members.get(connection);
    if (newest !== undefined && newest.dot > entry.dot) return;
    this.#members.set(connection, entry);
    this.#note(connection, newest, entry, changes);
  }

  #remove(entry: Entry, changes: Map<string, Change>): void {
    const { connection } = entry.member;
    this.#entries.delete(entry.dot);
    if (this.#members.get(connection) !== entry) return;
    const older = this.#newestOf(connection);
    if (older === undefined) this.#members.delete(connection);
    else this.#members.set(connection, older);
    this.#note(connection, entry, older, changes);
  }

  #note(
    connection: string,
    before: Entry | undefined,
    after: Entry | undefined,
    changes: Map<string, Change>,
  ): void {
    const known = changes.get(connection);
    changes.set(connection, { before: known === undefined ? before : known.before, after });
  }

  /** Looks at all, but only where some connection has two. */
  #newestOf(connection: string): Entry | undefined {
    let newest: Entry | undefined;
    if (this.#entries.size < this.#members.size) return undefined;
    for (const entry of this.#entries.values()) {
      if (entry.member.connection !== connection) continue;
      if (newest === undefined || entry.dot > newest.dot) newest = entry;
    }
    return newest;
  }

  /** The entries whose dots are in a context. */
  #within(context: Dots): Entry[] {
    const { bounds } = context;
    const { last } = this.#context;
    let span = 0;
    for (let index = 0; index < bounds.length; index += 2) {
      const first = bounds[index] ?? 0;
      // What was not heard of yet holds nothing, however wide it is.
      if (first > last) break;
      span += Math.min(last, bounds[index + 1] ?? 0) - first + 1;
    }
    if (span > this.#entries.size) {
      return [...this.#entries.values()].filter(({ dot }) => context.has(dot));
    }
    const within: Entry[] = [];
    for (let index = 0; index < bounds.length; index += 2) {
      const end = Math.min(last, bounds[index + 1] ?? 0);
      for (let dot = bounds[index] ?? 0; dot <= end; dot++) {
        const entry = this.#entries.get(dot);
        if (entry !== undefined) within.push(entry);
      }
    }
    return within;
  }
}
