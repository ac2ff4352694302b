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
  /** The newest entry of each connection. */
  readonly #members = new Map<string, Entry>();
  /** Entries that a newer one hides, by dot: a gap can leave some. */
  readonly #hidden = new Map<number, Entry>();

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
    const entries = [...this.#members.values(), ...this.#hidden.values()];
    return { heard: this.#heard.copy(), context: this.#context.copy(), entries };
  }

  /**
   * Takes in a statement; answers what became of each connection that it changes something of.
   *
   * @param mentioned other connections that it may be about, so that not all have to be looked at
   */
  merge(
    { heard, context, entries }: Statement,
    mentioned: readonly { readonly connection: string }[] = [],
  ): ReadonlyMap<string, Change> {
    const changes = new Map<string, Change>();
    const stated = new Set(entries.map(({ dot }) => dot));
    const ended = this.#within(context, entries, mentioned).filter(({ dot }) => !stated.has(dot));
    for (const entry of entries) {
      if (!this.#context.has(entry.dot)) this.#add(entry, changes);
    }
    for (const entry of ended) this.#remove(entry, changes);
    this.#context.addAll(context);
    this.#heard.addAll(heard);
    return changes;
  }

  #add(entry: Entry, changes: Map<string, Change>): void {
    const { connection } = entry.member;
    const newest = this.#members.get(connection);
    if (newest !== undefined && newest.dot > entry.dot) {
      this.#hidden.set(entry.dot, entry);
      return;
    }
    // Until it is said to have ended, as it mostly is in the same breath.
    if (newest !== undefined) this.#hidden.set(newest.dot, newest);
    this.#members.set(connection, entry);
    note(changes, connection, newest, entry);
  }

  #remove(entry: Entry, changes: Map<string, Change>): void {
    if (this.#hidden.delete(entry.dot)) return;
    const { connection } = entry.member;
    const older = this.#newestHidden(connection);
    if (older === undefined) {
      this.#members.delete(connection);
    } else {
      this.#hidden.delete(older.dot);
      this.#members.set(connection, older);
    }
    note(changes, connection, entry, older);
  }

  #newestHidden(connection: string): Entry | undefined {
    let newest: Entry | undefined;
    for (const entry of this.#hidden.values()) {
      if (entry.member.connection !== connection) continue;
      if (newest === undefined || entry.dot > newest.dot) newest = entry;
    }
    return newest;
  }

  /** The entries whose dots are in a context. */
  #within(
    context: Dots,
    entries: readonly Entry[],
    mentioned: readonly { readonly connection: string }[],
  ): Entry[] {
    const known = context.upTo(this.#context.last);
    if (known === 0) return [];
    // What is heard in order ends entries of those that it is about, and no others.
    const within = new Set<Entry>();
    const look = (connection: string) => {
      const entry = this.#members.get(connection);
      if (entry !== undefined && context.has(entry.dot)) within.add(entry);
    };
    for (const { member } of entries) look(member.connection);
    for (const { connection } of mentioned) look(connection);
    if (within.size === known && this.#hidden.size === 0) return [...within];
    const all = [...this.#members.values(), ...this.#hidden.values()];
    return all.filter(({ dot }) => context.has(dot));
  }
}

function note(
  changes: Map<string, Change>,
  connection: string,
  before: Entry | undefined,
  after: Entry | undefined,
): void {
  const known = changes.get(connection);
  changes.set(connection, { before: known === undefined ? before : known.before, after });
}
