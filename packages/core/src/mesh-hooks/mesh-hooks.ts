import { delay } from "../auth/deadline.ts";
import type { NodeObserver } from "../broker/observer.ts";
import type { HookConfigs } from "../hooks/config.ts";
import type { HookCounts } from "../hooks/counters.ts";
import { type HooksOptions, RUN_BYTES } from "../hooks/hooks.ts";
import { HookSenders } from "../hooks/senders.ts";
import type { Member } from "../hub/member.ts";
import { fraction } from "../mesh-presence/fraction.ts";
import { LEASE_TICKS } from "../mesh-presence/heartbeat.ts";
import type { AfterTurn, TimerHandle } from "../ports.ts";
import { MeshHookCounters, type MeshHookCounts } from "./counters.ts";
import { type Candidate, elected, goesBefore } from "./election.ts";
import { type Change, type Fact, keyOf, type LogRecord } from "./facts.ts";
import { Ledger, type Piece } from "./ledger.ts";
import {
  type Ask,
  type Beat,
  chunksOf,
  type Entries,
  type FactsPart,
  type HookMessage,
  type HookTransport,
  type Lead,
  type Records,
  type State,
} from "./messages.ts";
import { OwnLog } from "./own-log.ts";
import { Parts } from "./parts.ts";
import { Sending } from "./sending.ts";

/** Ticks from one beat to the next. */
const BEAT_TICKS = 2;
/** Ticks after the link has come up in which a node that sends may still be heard of. */
const SETTLE_TICKS = 3;
/** Ticks after which a node that is silent is known no more. */
const FORGET_TICKS = 3 * LEASE_TICKS;
/** Milliseconds over which the answers to a hello are spread. */
const JITTER_MS = 100;

export interface MeshHooksOptions extends HooksOptions {
  /** Names this start of the node, among all of all times. */
  readonly start: string;
  /** When it was, ms since the epoch. */
  readonly since: number;
  readonly transport: HookTransport;
  readonly afterTurn: AfterTurn;
  /** Milliseconds after which a node that is silent is gone. */
  readonly leaseMs: number;
}

/** What is known of another node that has hooks. */
interface Other extends Candidate {
  heardAt: number;
  isLeaving: boolean;
  last: number;
  askedAt: number;
  readonly parts: Parts<Fact>;
}

/**
 * The hooks of a mesh, of which one node sends: it hears what happens on the others, decides in which order it is told, and tells them
 * what it has decided, so that each can go on where it ends.
 *
 * Who is there and who is gone is what the presence of the mesh says.
 */
export class MeshHooks implements NodeObserver {
  readonly counters = new MeshHookCounters();
  readonly #options: MeshHooksOptions;
  readonly #senders: HookSenders;
  readonly #own: OwnLog;
  readonly #others = new Map<string, Other>();
  /** Starts of other nodes that are there, and that have gone while the link was up. */
  readonly #present = new Set<string>();
  readonly #departed = new Set<string>();
  #ledger = new Ledger();
  /** What the ledger follows; empty where it is not known whether it is all. */
  #log = "";
  /** The node that sends, and the name of its time, where it is not this one. */
  #sender: { readonly start: string; readonly log: string } | undefined;
  #sending: Sending | undefined;
  #state = new Parts<Piece>();
  #wantedAt = 0;
  /** Own records that the sender has not been sent, and the last one that it has been. */
  #unsent: LogRecord[] = [];
  #sentUpTo = 0;
  #isSendDue = false;
  #tick = 0;
  #timer: TimerHandle;
  #soon: TimerHandle | undefined;
  #isUp = false;
  #upAt = 0;
  #downAt = 0;
  /** Since when nobody sends. */
  #vacantAt = 0;
  /** Whether this node was the sender, and does not know yet whether it still is. */
  #isDormant = false;
  #isLeaving = false;
  #isClosed = false;
  #whenTaken: (() => void) | undefined;

  constructor(options: MeshHooksOptions) {
    this.#options = options;
    this.#senders = new HookSenders(options, options.hooks);
    this.#senders.pause(true);
    this.#own = new OwnLog(options.settings.queueEvents);
    this.#timer = this.#nextTick();
  }

  configure(hooks: HookConfigs): void {
    this.#senders.configure(hooks);
  }

  get counts(): readonly HookCounts[] {
    return this.#senders.counts;
  }

  get meshCounts(): MeshHookCounts {
    return {
      ...this.counters,
      sends: this.#sending === undefined ? 0 : 1,
      informed: this.#log === "" ? 0 : 1,
      facts: this.#ledger.size,
      kept: this.#own.size,
      dropped: this.#own.dropped,
    };
  }

  opened(app: string, channel: string): void {
    this.#note("on", { kind: "channel", app, channel });
  }

  closed(app: string, channel: string): void {
    this.#note("off", { kind: "channel", app, channel });
  }

  joined(app: string, channel: string, { connection, clientId, user }: Member): void {
    this.#note("on", { kind: "member", app, channel, connection, clientId, user });
  }

  left(app: string, channel: string, { connection, clientId, user }: Member): void {
    this.#note("off", { kind: "member", app, channel, connection, clientId, user });
  }

  connected(app: string, connection: string, user: string | undefined): void {
    this.#note("on", { kind: "connection", app, connection, user });
  }

  disconnected(app: string, connection: string, user: string | undefined): void {
    this.#note("off", { kind: "connection", app, connection, user });
  }

  /** Another node is there. */
  arrived(start: string): void {
    this.#present.add(start);
    this.#departed.delete(start);
  }

  /** It is there no more. */
  gone(start: string): void {
    this.#present.delete(start);
    // Whoever is cut off knows nothing of the others.
    if (!this.#isUp || this.#isClosed) return;
    this.#others.delete(start);
    this.#departed.add(start);
    const sending = this.#isDormant ? undefined : this.#sending;
    if (sending !== undefined && this.#ledger.isThere(start)) sending.gone(start);
    if (this.#sender?.start === start) this.#lost();
  }

  linkUp(): void {
    if (this.#isUp || this.#isClosed) return;
    this.#isUp = true;
    this.#upAt = this.#tick;
    this.#departed.clear();
    // What happened meanwhile was not sent, and is asked for where it is missing.
    this.#sentUpTo = this.#own.last;
    for (const other of this.#others.values()) other.heardAt = this.#tick;
    // Another node may send in its place by now.
    this.#isDormant = this.#sending !== undefined && this.#tick - this.#downAt >= LEASE_TICKS - 1;
    if (!this.#isDormant) this.#resume();
    this.#beat(true);
  }

  /** A node that is cut off keeps what happens on it, and sends nothing: others may send by now. */
  linkDown(): void {
    this.#isUp = false;
    this.#downAt = this.#tick;
    this.#senders.pause(true);
    this.#unsent = [];
  }

  receive(start: string, message: HookMessage): void {
    if (start === this.#options.start || this.#isClosed || !this.#isUp) return;
    switch (message.type) {
      case "beat":
        this.#heard(start, message);
        break;
      case "lead":
        this.#led(start, message);
        break;
      case "ask":
        this.#asked(start, message);
        break;
      case "records":
        this.#recorded(start, message);
        break;
      case "facts":
        this.#known(start, message);
        break;
      case "entries":
        this.#decided(start, message);
        break;
      case "want":
        if (message.log === this.#sending?.log) this.#tellAll(start, this.#sending);
        break;
      case "state":
        this.#informed(start, message);
        break;
    }
  }

  /**
   * The node stops: what happened on it is with the sender, and where this was the sender, another one goes on. The last
   * node of the mesh sends what waits for as long as the settings allow.
   */
  async drain(): Promise<void> {
    const { clock, settings, transport } = this.#options;
    this.#isLeaving = true;
    const isLast = this.#isUp && this.#candidates().length === 0;
    if (isLast && this.#sending === undefined && this.#sender === undefined) this.#takeOver();
    const sending = this.#sending;
    if (sending === undefined || !this.#isUp) {
      if (this.#isUp) await Promise.race([this.#taken(), delay(settings.drainMs, clock)]);
      const events = this.#isTaken ? 0 : this.#own.size;
      if (events > 0)
        this.#options.log.warn(
          { events },
          "the node stops before the one that sends hooks knows all of it",
        );
    } else if (isLast) {
      sending.vacateAll();
      await sending.told();
      await this.#senders.drain();
    } else {
      this.#senders.pause(true);
      await Promise.race([this.#senders.idle(), delay(settings.drainMs, clock)]);
      sending.flush();
      sending.end();
      this.#sending = undefined;
    }
    this.#beat(false);
    this.#isClosed = true;
    clock.clearTimeout(this.#timer);
    if (this.#soon !== undefined) clock.clearTimeout(this.#soon);
    await transport.flushed();
  }

  #note(op: "on" | "off", fact: Fact): void {
    if (!this.#isWanted(fact)) return;
    this.#append({ op, fact });
  }

  #isWanted({ kind, app }: Fact): boolean {
    const senders = this.#senders;
    switch (kind) {
      case "channel":
        return senders.wants(app, "occupied") || senders.wants(app, "vacated");
      case "member":
        return senders.wants(app, "join") || senders.wants(app, "leave");
      case "connection":
        return senders.wants(app, "connect") || senders.wants(app, "disconnect");
    }
  }

  #append(change: Change): void {
    const { clock, start, afterTurn } = this.#options;
    const record = this.#own.append(change, clock.now());
    if (!this.#isUp || this.#isDormant) return;
    if (this.#sending !== undefined) {
      if (this.#ledger.position(start) === record.seq - 1) this.#sending.take(start, record);
      else this.#takeOwn(this.#sending);
      return;
    }
    if (this.#sender === undefined) return;
    this.#unsent.push(record);
    if (this.#isSendDue) return;
    this.#isSendDue = true;
    afterTurn(() => {
      this.#isSendDue = false;
      this.#sendRecords();
    });
  }

  #sendRecords(): void {
    const records = this.#unsent;
    this.#unsent = [];
    if (this.#sender === undefined || !this.#isUp || records.length === 0) return;
    const { start: to, log } = this.#sender;
    for (const chunk of chunksOf(records)) {
      this.#send({ type: "records", log, before: this.#sentUpTo, records: chunk }, to);
      this.#sentUpTo = chunk.at(-1)?.seq ?? this.#sentUpTo;
    }
  }

  #resume(): void {
    this.#isDormant = false;
    if (this.#sending === undefined) return;
    this.#senders.pause(false);
    this.#takeOwn(this.#sending);
    this.#sending.flush();
  }

  #takeOwn(sending: Sending): void {
    const { start } = this.#options;
    const part = this.#own.after(this.#ledger.position(start), !this.#ledger.isThere(start));
    if (part.facts !== undefined) sending.know(start, part.at, part.facts);
    for (const record of part.records) sending.take(start, record);
  }

  #nextTick(): TimerHandle {
    const { clock, leaseMs } = this.#options;
    return clock.setTimeout(() => {
      this.#timer = this.#nextTick();
      this.#tick++;
      if (!this.#isUp) return;
      if (this.#tick % BEAT_TICKS === 0) this.#beat(false);
      this.#look();
    }, leaseMs / LEASE_TICKS);
  }

  #beat(isHello: boolean): void {
    if (!this.#isUp || this.#isClosed) return;
    this.#sendRecords();
    const sending = this.#isDormant ? undefined : this.#sending;
    sending?.flush();
    this.#send({
      ...{ type: "beat", since: this.#options.since, isHello, isLeaving: this.#isLeaving },
      ...{ sends: sending?.log ?? "", log: this.#log, number: this.#ledger.number },
      last: this.#own.last,
    });
  }

  #beatSoon(): void {
    const { clock, random } = this.#options;
    this.#soon ??= clock.setTimeout(() => {
      this.#soon = undefined;
      this.#beat(false);
    }, JITTER_MS * fraction(random));
  }

  /** What follows from the time that has passed. */
  #look(): void {
    const sender = this.#sender && this.#others.get(this.#sender.start);
    if (this.#sender !== undefined && this.#tick - (sender?.heardAt ?? 0) > LEASE_TICKS) {
      this.#lost();
    }
    for (const [start, { heardAt }] of this.#others) {
      if (this.#tick - heardAt > FORGET_TICKS) this.#others.delete(start);
    }
    if (this.#isDormant && this.#tick - this.#upAt >= SETTLE_TICKS) {
      this.#resume();
      this.#beat(true);
    }
    if (this.#sending !== undefined && this.#tick - this.#upAt >= LEASE_TICKS) {
      this.#endAbsent(this.#sending, (start) => !this.#present.has(start));
    }
    this.#elect();
  }

  #endAbsent(sending: Sending, isAbsent: (start: string) => boolean): void {
    for (const start of this.#ledger.starts()) {
      if (start !== this.#options.start && isAbsent(start)) sending.gone(start);
    }
  }

  #lost(): void {
    this.#sender = undefined;
    this.#vacantAt = this.#tick;
    this.#elect();
  }

  #candidates(): Other[] {
    return [...this.#others.values()].filter(({ start, isLeaving }) => {
      return !isLeaving && this.#present.has(start);
    });
  }

  #elect(): void {
    if (!this.#isUp || this.#isLeaving) return;
    if (this.#sender !== undefined || this.#sending !== undefined) return;
    if (this.#tick - this.#upAt < SETTLE_TICKS) return;
    const { start, since } = this.#options;
    const isInformed = this.#log !== "";
    const best = elected({ start, since, isInformed }, this.#candidates());
    // One that is silent is gone before that; whoever knows nothing waits for all that know something.
    const patience = LEASE_TICKS * (best.isInformed && !isInformed ? 6 : 2);
    const isLate = this.#tick - Math.max(this.#vacantAt, this.#upAt) > patience;
    if (best.start === start || isLate) this.#takeOver();
  }

  #takeOver(): void {
    const log = this.#options.random.bytes(RUN_BYTES).toBase64({ alphabet: "base64url" });
    this.counters.takeovers++;
    this.#send({ type: "lead", log, former: this.#log, number: this.#ledger.number });
    this.#sending = this.#newSending(log);
    this.#log = log;
    this.#senders.pause(false);
    this.#takeOwn(this.#sending);
    this.#endAbsent(this.#sending, (start) => this.#departed.has(start));
    this.#options.log.info({}, "this node sends the hooks of the mesh");
    this.#beat(true);
    for (const other of this.#candidates()) this.#askFor(other);
  }

  #newSending(log: string): Sending {
    const { clock, afterTurn, settings, transport } = this.#options;
    return new Sending({
      ...{ log, ledger: this.#ledger, senders: this.#senders, clock, afterTurn },
      vacatedMs: settings.vacatedMs,
      announce: (first, entries) => {
        let next = first;
        for (const chunk of chunksOf(entries)) {
          this.#send({ type: "entries", log, first: next, entries: chunk });
          next += chunk.length;
        }
        this.#settleOwn();
      },
      announced: () => transport.flushed(),
    });
  }

  /** Another node sends: what only this one knows is told to it as if it happened here. */
  #stepDown(): void {
    const sending = this.#sending;
    if (sending === undefined) return;
    const doubted = [...sending.doubted];
    const { unfinished, emptied } = sending;
    sending.end();
    this.#sending = undefined;
    this.#isDormant = false;
    this.#senders.pause(true);
    this.#senders.clear();
    this.#ledger = new Ledger();
    this.#log = "";
    this.#vacantAt = this.#tick;
    this.#options.log.info({}, "this node sends the hooks of the mesh no more");
    for (const start of doubted) this.#append({ op: "doubted", start });
    for (const fact of emptied) this.#append({ op: "emptied", fact });
    for (const fact of unfinished) this.#append({ op: "ended", fact });
  }

  #heard(start: string, beat: Beat): void {
    const known = this.#others.get(start);
    const { since, isLeaving, last } = beat;
    const other: Other = {
      ...{ start, since, isLeaving, last, isInformed: beat.log !== "", heardAt: this.#tick },
      askedAt: known?.askedAt ?? Number.NEGATIVE_INFINITY,
      parts: known?.parts ?? new Parts(),
    };
    this.#others.set(start, other);
    if (beat.isHello) this.#beatSoon();
    if (beat.sends !== "") this.#sends(other, beat.sends);
    else if (this.#sender?.start === start && (isLeaving || beat.log !== this.#sender.log)) {
      this.#lost();
    }
    this.#askFor(other);
    if (this.#sender?.start !== start || this.#sender.log !== beat.sends) return;
    const isBehind = this.#log !== beat.sends || this.#ledger.number < beat.number;
    if (isBehind && this.#wantedAt < this.#tick) this.#want();
  }

  /** Another node says that it sends. */
  #sends(other: Pick<Other, "start" | "since">, log: string): void {
    const { start, since } = other;
    if (this.#sending !== undefined) {
      // It will hear of this one, and step down.
      if (!this.#isDormant && goesBefore(this.#options, other)) {
        this.#beatSoon();
        return;
      }
      this.#stepDown();
    }
    const present = this.#sender;
    if (present?.start === start && present.log === log) return;
    const rival = present && this.#others.get(present.start);
    if (rival !== undefined && rival.start !== start && goesBefore(rival, { start, since })) return;
    this.#sender = { start, log };
    this.#state = new Parts();
    this.#unsent = [];
    this.#sentUpTo = this.#own.last;
    if (this.#log !== log) this.#wantedAt = this.#tick - 1;
  }

  #led(start: string, { log, former, number }: Lead): void {
    const other = this.#others.get(start);
    if (other === undefined) return;
    const canFollow = former !== "" && former === this.#log && number === this.#ledger.number;
    this.#sends(other, log);
    if (this.#sender?.log !== log) return;
    other.heardAt = this.#tick;
    if (canFollow) this.#log = log;
    else this.#want();
  }

  #want(): void {
    if (this.#sender === undefined) return;
    this.counters.resyncs++;
    this.#wantedAt = this.#tick;
    this.#log = "";
    this.#send({ type: "want", log: this.#sender.log }, this.#sender.start);
  }

  #tellAll(to: string, { log }: Sending): void {
    const { number } = this.#ledger;
    const chunks = chunksOf(this.#ledger.pieces());
    for (const [index, pieces] of chunks.entries()) {
      const isLast = index === chunks.length - 1;
      this.#send({ type: "state", log, number, index, isLast, pieces }, to);
    }
  }

  #informed(start: string, state: State): void {
    if (this.#sender?.start !== start || this.#sender.log !== state.log) return;
    if (this.#log === state.log) return;
    this.#wantedAt = this.#tick;
    const pieces = this.#state.add(`${state.log}.${state.number}`, state, state.pieces);
    if (pieces === undefined) return;
    this.#ledger = new Ledger(state.number);
    for (const piece of pieces) this.#ledger.add(piece);
    this.#log = state.log;
    this.#settleOwn();
  }

  #decided(start: string, { log, first, entries }: Entries): void {
    if (this.#sender?.start !== start || this.#log !== log) return;
    if (first > this.#ledger.number + 1) {
      this.#want();
      return;
    }
    for (const entry of entries.slice(this.#ledger.number + 1 - first)) {
      this.#ledger.apply(entry, log);
    }
    this.#settleOwn();
  }

  /** What the receivers have of the own doing need not be kept. */
  #settleOwn(): void {
    const { start } = this.#options;
    this.#own.settle(this.#ledger.settled(start));
    if (this.#isTaken) this.#whenTaken?.();
  }

  get #isTaken(): boolean {
    return (this.#ledger.position(this.#options.start) ?? 0) >= this.#own.last;
  }

  #taken(): Promise<void> {
    if (this.#isTaken) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenTaken = resolve;
    return promise;
  }

  /** Asks for what is not known of a node. */
  #askFor(other: Other): void {
    const { start, last } = other;
    if (this.#sending === undefined || this.#isDormant || !this.#present.has(start)) return;
    const isThere = this.#ledger.isThere(start);
    const position = this.#ledger.position(start);
    if (isThere && position !== undefined && position >= last) return;
    if (other.askedAt === this.#tick) return;
    other.askedAt = this.#tick;
    const { log } = this.#sending;
    this.#send({ type: "ask", log, position, wantsFacts: !isThere }, start);
  }

  #asked(start: string, { log, position, wantsFacts }: Ask): void {
    const other = this.#others.get(start);
    if (other === undefined) return;
    this.#sends(other, log);
    if (this.#sender?.start !== start) return;
    const part = this.#own.after(position, wantsFacts);
    if (part.facts !== undefined) {
      const chunks = chunksOf(part.facts.values());
      for (const [index, facts] of chunks.entries()) {
        const isLast = index === chunks.length - 1;
        this.#send({ type: "facts", log, at: part.at, index, isLast, facts }, start);
      }
    }
    this.#sentUpTo = part.at;
    this.#unsent = [...part.records];
    this.#sendRecords();
  }

  #recorded(start: string, { log, before, records }: Records): void {
    const sending = this.#sending;
    const other = this.#others.get(start);
    if (sending?.log !== log || this.#isDormant || other === undefined) return;
    const position = this.#ledger.position(start);
    if (!this.#ledger.isThere(start) || position === undefined || before > position) {
      other.last = Math.max(other.last, records.at(-1)?.seq ?? 0);
      this.#askFor(other);
      return;
    }
    for (const record of records) if (record.seq > position) sending.take(start, record);
  }

  #known(start: string, part: FactsPart): void {
    const sending = this.#sending;
    const other = this.#others.get(start);
    if (sending?.log !== part.log || this.#isDormant || other === undefined) return;
    if (!this.#present.has(start)) return;
    const { at } = part;
    const facts = other.parts.add(`${part.log}.${at}`, part, part.facts);
    if (facts === undefined) return;
    // An older answer that comes late.
    if (this.#ledger.isThere(start) && (this.#ledger.position(start) ?? 0) >= at) return;
    sending.know(start, at, new Map(facts.map((fact) => [keyOf(fact), fact])));
  }

  #send(message: HookMessage, to?: string): void {
    if (this.#isUp) this.#options.transport.send(message, to);
  }
}
