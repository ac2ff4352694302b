import { delay } from "../auth/deadline.ts";
import type { NodeObserver } from "../broker/observer.ts";
import type { HookConfigs } from "../hooks/config.ts";
import type { HookCounts } from "../hooks/counters.ts";
import { RUN_BYTES } from "../hooks/hooks.ts";
import { HookSenders } from "../hooks/senders.ts";
import { LEASE_TICKS } from "../mesh-presence/heartbeat.ts";
import type { TimerHandle } from "../ports.ts";
import { fractionBelowOne } from "../random-fraction.ts";
import { Collecting } from "./collecting.ts";
import { MeshHookCounters, type MeshHookCounts } from "./counters.ts";
import { elected, goesBefore } from "./election.ts";
import type { Change } from "./facts.ts";
import { Ledger, type Piece } from "./ledger.ts";
import {
  type Ask,
  type Beat,
  type Entries,
  entriesOf,
  type HookMessage,
  type Lead,
  type State,
  statesOf,
} from "./messages.ts";
import { NotedFacts } from "./noted-facts.ts";
import type { MeshHooksOptions } from "./options.ts";
import { type Other, Others } from "./others.ts";
import { OwnFeed, type Sender } from "./own-feed.ts";
import { OwnLog } from "./own-log.ts";
import { Parts } from "./parts.ts";
import { Sending } from "./sending.ts";

/** Ticks from one beat to the next. */
const BEAT_TICKS = 2;
/** Ticks after the link has come up in which a node that sends may still be heard of. */
const SETTLE_TICKS = 3;
/** Milliseconds over which the answers to a hello are spread. */
const JITTER_MS = 100;

/**
 * The hooks of a mesh, of which one node sends: it hears what happens on the others, decides in which order that is
 * told, and tells them what it has decided, so that each can go on where it ends.
 *
 * Who is there and who is gone is what the presence of the mesh says.
 */
export class MeshHooks {
  readonly counters = new MeshHookCounters();
  /** Hears what happens on this node. */
  readonly observer: NodeObserver;
  readonly #options: MeshHooksOptions;
  readonly #senders: HookSenders;
  readonly #own: OwnLog;
  readonly #feed: OwnFeed;
  readonly #others = new Others();
  #ledger = new Ledger();
  /** What the ledger follows; empty where it is not known whether it is all. */
  #log = "";
  /** The node that sends, and the name of its time, where it is not this one. */
  #sender: Sender | undefined;
  #sending: Sending | undefined;
  #collecting: Collecting | undefined;
  #state = new Parts<Piece>();
  #wantedAt = 0;
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
    const { afterTurn } = options;
    this.#feed = new OwnFeed({
      ...{ own: this.#own, afterTurn },
      send: (message, to) => this.#send(message, to),
    });
    this.observer = new NotedFacts(
      (app, type) => this.#senders.wants(app, type),
      (op, fact) => this.#append({ op, fact }),
    );
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
      pending: this.#ledger.pending.length,
      kept: this.#own.size,
      dropped: this.#own.dropped,
    };
  }

  /** Another node is there. */
  arrived(start: string): void {
    this.#others.arrived(start);
  }

  /** It is there no more. */
  gone(start: string): void {
    this.#others.gone(start, this.#isUp);
    // Whoever is cut off knows nothing of the others.
    if (!this.#isUp || this.#isClosed) return;
    const sending = this.#isDormant ? undefined : this.#sending;
    if (sending !== undefined && this.#ledger.isThere(start)) sending.gone(start);
    this.#collecting?.forget(start);
    if (this.#sender?.start === start) this.#lost();
  }

  linkUp(): void {
    if (this.#isUp || this.#isClosed) return;
    this.#isUp = true;
    this.#upAt = this.#tick;
    this.#others.linkUp(this.#tick);
    // What happened meanwhile was not sent.
    this.#feed.direct(this.#sender);
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
    this.#feed.direct(undefined);
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
        if (message.log === this.#sending?.log) this.#awake?.records(start, message);
        break;
      case "facts":
        if (message.log === this.#sending?.log) this.#awake?.facts(start, message);
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
    const isLast = this.#isUp && this.#others.candidates().length === 0;
    if (isLast && this.#sending === undefined && this.#sender === undefined) this.#takeOver();
    const sending = this.#sending;
    if (sending === undefined || !this.#isUp) {
      if (this.#isUp) await Promise.race([this.#taken(), delay(settings.drainMs, clock)]);
      const changes = this.#isTaken ? 0 : this.#own.size;
      const message = "the node stops before the one that sends hooks knows all that has happened";
      if (changes > 0) this.#options.log.warn({ changes }, message);
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
      this.#collecting = undefined;
    }
    this.#beat(false);
    this.#isClosed = true;
    clock.clearTimeout(this.#timer);
    if (this.#soon !== undefined) clock.clearTimeout(this.#soon);
    await transport.flushed();
  }

  #append(change: Change): void {
    const { clock, start } = this.#options;
    const record = this.#own.append(change, clock.now());
    if (!this.#isUp || this.#isDormant) return;
    if (this.#sending !== undefined) {
      if (this.#ledger.position(start) === record.seq - 1) this.#sending.take(start, record);
      else this.#takeOwn(this.#sending);
      return;
    }
    this.#feed.push(record);
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
      this.#collecting?.ticked();
      if (!this.#isUp) return;
      if (this.#tick % BEAT_TICKS === 0) this.#beat(false);
      this.#look();
    }, leaseMs / LEASE_TICKS);
  }

  /** Set where this node sends, and knows it. */
  get #awake(): Collecting | undefined {
    return this.#isDormant ? undefined : this.#collecting;
  }

  #beat(isHello: boolean): void {
    if (!this.#isUp || this.#isClosed) return;
    this.#feed.flush();
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
    }, JITTER_MS * fractionBelowOne(random));
  }

  /** What follows from the time that has passed. */
  #look(): void {
    const sender = this.#sender?.start;
    if (sender !== undefined && this.#others.isSilent(sender, this.#tick)) this.#lost();
    this.#others.forgetSilent(this.#tick);
    if (this.#isDormant && this.#tick - this.#upAt >= SETTLE_TICKS) {
      this.#resume();
      this.#beat(true);
    }
    if (this.#sending !== undefined && this.#tick - this.#upAt >= LEASE_TICKS) {
      this.#endAbsent(this.#sending, (start) => !this.#others.isPresent(start));
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
    this.#feed.direct(undefined);
    this.#vacantAt = this.#tick;
    this.#elect();
  }

  #elect(): void {
    if (!this.#isUp || this.#isLeaving) return;
    if (this.#sender !== undefined || this.#sending !== undefined) return;
    if (this.#tick - this.#upAt < SETTLE_TICKS) return;
    const { start, since } = this.#options;
    const isInformed = this.#log !== "";
    const best = elected({ start, since, isInformed }, this.#others.candidates());
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
    this.#collecting = new Collecting({
      ...{ sending: this.#sending, ledger: this.#ledger },
      isPresent: (start) => this.#others.isPresent(start),
      ask: (start, message) => this.#send(message, start),
    });
    this.#log = log;
    this.#senders.pause(false);
    this.#takeOwn(this.#sending);
    this.#endAbsent(this.#sending, (start) => this.#others.hasDeparted(start));
    this.#note("this node sends the hooks of the mesh");
    this.#beat(true);
    for (const { start, last } of this.#others.candidates()) this.#collecting.compare(start, last);
  }

  /** Who sends is no news where there is nothing to send. */
  #note(message: string): void {
    if (this.counts.length > 0) this.#options.log.info({}, message);
  }

  #newSending(log: string): Sending {
    const { clock, afterTurn, settings, transport } = this.#options;
    return new Sending({
      ...{ log, ledger: this.#ledger, senders: this.#senders, clock, afterTurn },
      ...{ vacatedMs: settings.vacatedMs, maxPending: settings.queueEvents },
      counters: this.counters,
      announce: (first, entries) => {
        for (const message of entriesOf(log, first, entries)) this.#send(message);
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
    this.#collecting = undefined;
    this.#isDormant = false;
    this.#senders.pause(true);
    this.#senders.clear();
    this.#ledger = new Ledger();
    this.#log = "";
    this.#vacantAt = this.#tick;
    this.#note("this node sends the hooks of the mesh no more");
    for (const start of doubted) this.#append({ op: "doubted", start });
    for (const fact of emptied) this.#append({ op: "emptied", fact });
    for (const fact of unfinished) this.#append({ op: "ended", fact });
  }

  #heard(start: string, beat: Beat): void {
    const other = this.#others.heard(start, beat, this.#tick);
    const { isLeaving, last } = other;
    if (beat.isHello) this.#beatSoon();
    if (beat.sends !== "") this.#sends(other, beat.sends);
    else if (this.#sender?.start === start && (isLeaving || beat.log !== this.#sender.log)) {
      this.#lost();
    }
    this.#awake?.compare(start, last);
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
    this.#feed.direct(this.#sender);
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
    for (const state of statesOf(log, number, this.#ledger.pieces())) this.#send(state, to);
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

  #asked(start: string, ask: Ask): void {
    const other = this.#others.get(start);
    if (other === undefined) return;
    this.#sends(other, ask.log);
    if (this.#sender?.start === start) this.#feed.answer(ask);
  }

  #send(message: HookMessage, to?: string): void {
    if (this.#isUp) this.#options.transport.send(message, to);
  }
}
