import type { PresenceEvent } from "../broker/broker.ts";
import type { Member } from "../hub/member.ts";
import { Dots } from "./dots.ts";
import type { Entry, Statement } from "./roster.ts";

/** What happened to a member, as its owner tells it; of one that joined, the entry says the rest. */
export type News = { readonly dot: number; readonly connection: string } & (
  | { readonly type: "join" | "leave" }
  | { readonly type: "online"; readonly payload: Uint8Array | undefined }
  | { readonly type: "state"; readonly clientId: string; readonly state: Uint8Array }
  | { readonly type: "rename"; readonly clientId: string }
);

/** A statement, with what happened since the one before, in its order. */
export interface Delta extends Statement {
  readonly news: readonly News[];
}

/** Bytes that a member takes beside its texts and its state, about. */
const ENTRY_BYTES = 40;
const NEWS_BYTES = 16;
/** What it takes to leave one out. */
const KEPT_BYTES = 4;

/** What somebody knows of a channel: up to which event everything, and what else. */
export interface Known {
  readonly floor: number;
  readonly context: Dots;
}

interface Pending {
  /** The last dot that was told before. */
  readonly from: number;
  /** Dots up to that one which are no more. */
  readonly removed: number[];
  readonly news: News[];
  bytes: number;
}

/** The members that this node has in one channel, and what the others have not been told yet. */
export class OwnChannel {
  readonly app: string;
  readonly name: string;
  readonly hash: number;
  /** By connection, in the order of their dots. */
  readonly #entries = new Map<string, Entry>();
  /** The last event; 0 where nothing has happened since the channel was empty. */
  #last = 0;
  #pending: Pending | undefined;

  constructor(app: string, name: string, hash: number) {
    this.app = app;
    this.name = name;
    this.hash = hash;
  }

  get size(): number {
    return this.#entries.size;
  }

  get last(): number {
    return this.#last;
  }

  get isPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Bytes of what the others have not been told yet, about. */
  get pendingBytes(): number {
    return this.#pending?.bytes ?? 0;
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  /**
   * Takes note of an event of the given number, larger than any before; false where it changes nothing.
   *
   * @param member what it has made of the member, which nobody changes; may be left out
   */
  note(dot: number, event: PresenceEvent, member?: Readonly<Member>): boolean {
    const connection = event.type === "join" ? event.member.connection : event.connection;
    const former = this.#entries.get(connection);
    if (former === undefined && event.type !== "join") return false;
    this.#pending ??= { from: this.#last, removed: [], news: [], bytes: 0 };
    const pending = this.#pending;
    this.#last = dot;
    if (former !== undefined) {
      this.#entries.delete(connection);
      if (former.dot <= pending.from) pending.removed.push(former.dot);
    }
    const entry = entryAfter(dot, former, event, member);
    if (entry !== undefined) this.#entries.set(connection, entry);
    pending.news.push(newsOf(dot, connection, event));
    const payload = event.type === "online" ? (event.payload?.length ?? 0) : 0;
    pending.bytes +=
      NEWS_BYTES + payload + (entry === undefined ? connection.length : bytesOf(entry));
    return true;
  }

  /** What the others have not been told yet, which counts as told from now on. */
  take(): Delta | undefined {
    const pending = this.#pending;
    if (pending === undefined) return undefined;
    this.#pending = undefined;
    const { from, removed, news } = pending;
    const heard = Dots.range(from + 1, this.#last);
    const context = Dots.of(removed);
    context.addAll(heard);
    const entries: Entry[] = [];
    for (const connection of new Set(news.map((each) => each.connection))) {
      const entry = this.#entries.get(connection);
      if (entry !== undefined) entries.push(entry);
    }
    return { heard, context, entries, news };
  }

  /**
   * What somebody does not know who knows `known`, in parts of about `maxBytes` each. Events may come between two of
   * them; what was heard is true of all of them together, and stands in the last one.
   *
   * @param now the last event up to which this channel is known, whatever it is of
   */
  *difference(known: Known, now: () => number, maxBytes: number): Iterable<Statement> {
    const begun = now();
    if (known.floor >= this.#last) {
      const rest = Dots.range(this.#last + 1, begun);
      yield { heard: rest, context: rest.copy(), entries: [] };
      return;
    }
    let entries: Entry[] = [];
    let stated: number[] = [];
    let [from, end, bytes] = [1, 0, 0];
    const cut = (heard: Dots): Statement => {
      if (end >= from) stated.push(from, end);
      const statement = { heard, context: Dots.fromBounds(stated), entries };
      [entries, stated, bytes, from] = [[], [], 0, end + 1];
      return statement;
    };
    // Whoever changes while this is under way comes again, at the end.
    for (const entry of this.#entries.values()) {
      end = entry.dot;
      if (known.context.has(end)) {
        // What is kept is not spoken of.
        if (end > from) stated.push(from, end - 1);
        from = end + 1;
        bytes += KEPT_BYTES;
      } else {
        entries.push(entry);
        bytes += bytesOf(entry);
      }
      // Not before the next one: it could change before it is told.
      if (bytes >= maxBytes) yield cut(Dots.none());
    }
    end = Math.max(end, now());
    yield cut(Dots.range(1, begun));
  }
}

function entryAfter(
  dot: number,
  former: Entry | undefined,
  event: PresenceEvent,
  made: Readonly<Member> | undefined,
): Entry | undefined {
  if (event.type === "join") return { dot, member: made ?? { ...event.member }, isOnline: false };
  if (former === undefined) return undefined;
  const { member, isOnline } = former;
  switch (event.type) {
    case "online":
      return { dot, member, isOnline: true };
    case "state": {
      const { clientId, state } = event;
      return { dot, member: made ?? { ...member, clientId, state }, isOnline };
    }
    case "rename":
      return { dot, member: made ?? { ...member, clientId: event.clientId }, isOnline };
    case "leave":
      return undefined;
  }
}

function newsOf(dot: number, connection: string, event: PresenceEvent): News {
  switch (event.type) {
    case "online":
      return { dot, type: event.type, connection, payload: event.payload };
    case "state":
      return { dot, type: event.type, connection, clientId: event.clientId, state: event.state };
    case "rename":
      return { dot, type: event.type, connection, clientId: event.clientId };
    default:
      return { dot, type: event.type, connection };
  }
}

/** Bytes that an entry takes in a message, about. */
export function bytesOf({ member }: Entry): number {
  const { connection, clientId, user, state } = member;
  const texts = connection.length + clientId.length + (user?.length ?? 0);
  return ENTRY_BYTES + texts + (state?.length ?? 0);
}
