import type { HookSenders } from "../hooks/senders.ts";
import { DeadlineQueue } from "../limits/deadline-queue.ts";
import type { AfterTurn, Clock } from "../ports.ts";
import type { MeshHookCounters } from "./counters.ts";
import { eventOf, type Fact, type Facts, keyOf, type LogRecord } from "./facts.ts";
import type { Entry, Ledger, Pending, Step } from "./ledger.ts";

/** Channels that may be about to be vacated at the same time; beyond, they are at once. */
const MAX_LINGERING = 100_000;
/** Starts that are remembered as said to have ended. */
const MAX_DOUBTED = 1_000;
/** Channels that are remembered as said to be vacated. */
const MAX_EMPTIED = 10_000;

export interface SendingOptions {
  /** Names this time of sending, among all of all nodes. */
  readonly log: string;
  readonly ledger: Ledger;
  readonly senders: HookSenders;
  readonly clock: Clock;
  readonly afterTurn: AfterTurn;
  /** Milliseconds for which nobody may be subscribed before a channel is vacated. */
  readonly vacatedMs: number;
  /** Events that the next sender would repeat, at most. */
  readonly maxPending: number;
  readonly counters: MeshHookCounters;
  /** Tells the other nodes what was decided. */
  announce(first: number, entries: readonly Entry[]): void;
  /** Answers whether NATS has taken what was announced. */
  announced(): Promise<boolean>;
}

/** A channel that has nobody for now. */
interface Lingering {
  readonly app: string;
  readonly channel: string;
}

/**
 * Decides what the receivers are told, in one order, as long as this node is the sender.
 *
 * Other nodes are told first: what a receiver has got from a sender that died then comes with the same ids from the
 * next one.
 */
export class Sending {
  readonly log: string;
  readonly #options: SendingOptions;
  readonly #ledger: Ledger;
  readonly #lingering: DeadlineQueue<Lingering>;
  readonly #items = new Map<string, Lingering>();
  /** Starts whose facts were told to have ended although they did not say so. */
  readonly #doubted = new Set<string>();
  /** Channels that were told to be vacated, by their keys, with the numbers of the last times. */
  readonly #emptied = new Map<string, { readonly fact: Fact; readonly number: number }>();
  /** Facts that were made up to have ended, as long as the receivers may not know, by the numbers of their ends. */
  readonly #madeUp = new Map<number, Fact>();
  /** Entries that the other nodes have not been told of, and the events of entries that NATS may not have taken. */
  #unannounced: Entry[] = [];
  #untold: Pending[] = [];
  /** Numbers of events that are with the senders. */
  readonly #unsettled = new Set<number>();
  /** What the sender before this one had not got through, and which this one tells. */
  readonly #inherited: readonly Pending[];
  #lastSettled = -1;
  #isFlushDue = false;
  #telling: Promise<boolean> | undefined;
  #isOver = false;

  constructor(options: SendingOptions) {
    const { log, ledger, clock, vacatedMs } = options;
    this.log = log;
    this.#options = options;
    this.#ledger = ledger;
    this.#lingering = new DeadlineQueue(clock, vacatedMs, (item) => this.#vacate(item));
    for (const [app, channel] of ledger.lingering()) this.#linger(app, channel);
    this.#inherited = [...ledger.pending];
    this.#untold = [...ledger.pending];
    for (const { number } of this.#untold) this.#unsettled.add(number);
    this.#flushSoon();
  }

  /** What happened on a node. */
  take(start: string, { seq, at, change }: LogRecord): void {
    if (change.op === "doubted") {
      for (const fact of this.#ledger.facts(change.start).values()) this.#again(fact);
      // A third sender, which has the start, may have to know.
      if (!this.#ledger.isThere(change.start)) this.#doubt(change.start);
    } else if (change.op === "emptied") {
      this.#again(change.fact);
    } else {
      this.#enter({ at, start, seq, step: change });
      return;
    }
    this.#enter({ at, start, seq, step: { op: "known" } });
  }

  /** All that holds on a node, after its record `seq`. */
  know(start: string, seq: number, facts: Facts): void {
    const known = this.#ledger.facts(start);
    for (const [key, fact] of [...known])
      if (!facts.has(key)) this.#now(start, { op: "off", fact });
    for (const [key, fact] of facts) if (!known.has(key)) this.#now(start, { op: "on", fact });
    this.#doubted.delete(start);
    this.#enter({ at: this.#options.clock.now(), start, seq, step: { op: "known" } });
  }

  /** A node is gone, and what it said holds no more. */
  gone(start: string): void {
    for (const fact of [...this.#ledger.facts(start).values()]) {
      this.#doubt(start);
      this.#now(start, { op: "off", fact });
      const { number } = this.#ledger;
      if (this.#unsettled.has(number)) this.#madeUp.set(number, fact);
    }
    this.#now(start, { op: "gone" });
  }

  /** Starts of which everything was said to have ended: another sender may know better. */
  get doubted(): Iterable<string> {
    return this.#doubted;
  }

  /** What was told to begin, and of which nobody else may tell that it has ended. */
  get unfinished(): Fact[] {
    const channels = [...this.#ledger.lingering()];
    const lingering = channels.map(([app, channel]): Fact => ({ kind: "channel", app, channel }));
    const inherited = this.#inherited.filter(({ holds }) => holds).map(({ fact }) => fact);
    return [...this.#madeUp.values(), ...inherited, ...lingering];
  }

  /** What was told to have ended, and of which another sender may know better. */
  get emptied(): Fact[] {
    const inherited = this.#inherited.filter(({ holds }) => !holds).map(({ fact }) => fact);
    return [...this.#emptied.values().map(({ fact }) => fact), ...inherited];
  }

  /** Does not wait for whoever may come back. */
  vacateAll(): void {
    for (const [app, channel] of [...this.#ledger.lingering()]) {
      this.#unlinger(app, channel);
      this.#now("", { op: "vacated", app, channel });
    }
  }

  /** Tells the others everything, and gives the senders what NATS has taken. */
  flush(): void {
    if (this.#isOver) return;
    this.#settle();
    const entries = this.#unannounced;
    this.#unannounced = [];
    if (entries.length > 0) {
      this.#options.announce(this.#ledger.number - entries.length + 1, entries);
    }
    if (this.#untold.length > 0) void this.#tell();
  }

  /** Resolves when the senders have everything. */
  async told(): Promise<void> {
    this.flush();
    while (this.#untold.length > 0 && !this.#isOver) if (!(await this.#tell())) return;
  }

  /** This node sends no more; the senders still have what they have. */
  end(): void {
    this.#isOver = true;
    for (const item of this.#items.values()) this.#lingering.remove(item);
  }

  /** Another sender has told that it has ended. */
  #again(fact: Fact): void {
    if (this.#ledger.holds(fact)) {
      this.#now("", { op: "again", fact });
    } else if (fact.kind === "channel" && this.#ledger.isLingering(fact.app, fact.channel)) {
      // The receiver would not hear of whoever comes back.
      const { app, channel } = fact;
      this.#unlinger(app, channel);
      this.#now("", { op: "vacated", app, channel });
    } else {
      this.#noteEmptied(fact);
    }
  }

  #doubt(start: string): void {
    if (this.#doubted.size < MAX_DOUBTED) this.#doubted.add(start);
  }

  #now(start: string, step: Step): void {
    this.#enter({ at: this.#options.clock.now(), start, seq: 0, step });
  }

  #enter(entry: Entry): void {
    const ledger = this.#ledger;
    const pending = ledger.apply(entry, this.log);
    this.#unannounced.push(entry);
    if (pending !== undefined) {
      this.#untold.push(pending);
      if (!pending.holds) this.#noteEmptied(pending.fact);
      this.#unsettled.add(pending.number);
    }
    const { step } = entry;
    if ("fact" in step && step.fact.kind === "channel") {
      const { app, channel } = step.fact;
      if (ledger.isLingering(app, channel)) this.#linger(app, channel);
      else this.#unlinger(app, channel);
    }
    this.#flushSoon();
  }

  #noteEmptied(fact: Fact): void {
    if (fact.kind !== "channel") return;
    const key = keyOf(fact);
    this.#emptied.delete(key);
    this.#emptied.set(key, { fact, number: this.#ledger.number });
    const [oldest] = this.#emptied.keys();
    if (this.#emptied.size > MAX_EMPTIED && oldest !== undefined) this.#emptied.delete(oldest);
  }

  #settled({ number, fact, holds }: Pending): void {
    this.#unsettled.delete(number);
    this.#madeUp.delete(number);
    const key = keyOf(fact);
    // Before that the receiver may have heard of the end alone.
    if (holds && (this.#emptied.get(key)?.number ?? number) < number) this.#emptied.delete(key);
    this.#flushSoon();
  }

  #linger(app: string, channel: string): void {
    const key = `${app}\n${channel}`;
    if (this.#items.has(key)) return;
    if (this.#lingering.size >= MAX_LINGERING) {
      this.#now("", { op: "vacated", app, channel });
      return;
    }
    const item = { app, channel };
    this.#items.set(key, item);
    this.#lingering.add(item);
  }

  #unlinger(app: string, channel: string): void {
    const key = `${app}\n${channel}`;
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#items.delete(key);
    this.#lingering.remove(item);
  }

  #vacate({ app, channel }: Lingering): void {
    this.#items.delete(`${app}\n${channel}`);
    if (!this.#isOver) this.#now("", { op: "vacated", app, channel });
  }

  #flushSoon(): void {
    if (this.#isFlushDue || this.#isOver) return;
    this.#isFlushDue = true;
    this.#options.afterTurn(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }

  /** Answers whether the senders have what there was to tell. */
  #tell(): Promise<boolean> {
    this.#telling ??= this.#announceAndGive().finally(() => {
      this.#telling = undefined;
    });
    return this.#telling;
  }

  async #announceAndGive(): Promise<boolean> {
    const upTo = this.#ledger.number;
    const isTaken = await this.#options.announced();
    if (this.#isOver || !isTaken) return false;
    const later = this.#untold.findIndex(({ number }) => number > upTo);
    const events = this.#untold.splice(0, later === -1 ? this.#untold.length : later);
    for (const pending of events) this.#give(pending);
    this.#flushSoon();
    return true;
  }

  #give(pending: Pending): void {
    const { id, at, fact, holds } = pending;
    this.#options.senders.tell(
      eventOf(fact, holds),
      () => id,
      at,
      () => this.#settled(pending),
    );
  }

  /** Where a receiver is dead, what others have taken waits behind it, too: the next sender need not know all of that. */
  #forget(): void {
    const { maxPending, counters } = this.#options;
    const { pending } = this.#ledger;
    const forgotten = pending.slice(0, Math.max(0, pending.length - maxPending));
    for (const { number } of forgotten) if (this.#unsettled.delete(number)) counters.forgotten++;
  }

  /** Tells the others how far the receivers have everything. */
  #settle(): void {
    this.#forget();
    const [first] = this.#unsettled;
    const upTo = first === undefined ? this.#ledger.number : first - 1;
    if (upTo <= this.#lastSettled) return;
    // That something is settled need not be settled itself.
    this.#lastSettled = first === undefined ? upTo + 1 : upTo;
    this.#now("", { op: "settled", upTo });
  }
}
