import type { AfterTurn, Clock, TimerHandle } from "../ports.ts";
import { type Answer, Answered } from "./answered.ts";
import type { MeshPresenceCounters } from "./counters.ts";
import { MAX_HASH } from "./hash.ts";
import type { Address, Ask, Mark, MeshTransport, Message, Part, Place } from "./messages.ts";
import { bytesOf, type Known } from "./own-channel.ts";
import type { OwnPresence } from "./own-presence.ts";
import { type Question, Questions } from "./questions.ts";

/** Bytes of one message, about; and those sent before the last of them is waited for. */
const MESSAGE_BYTES = 48 * 1024;
const BURST_BYTES = 256 * 1024;
/** Channels that may be asked for at the same time. */
const MAX_CHANNELS = 100_000;
/** Marks in one message. */
const MARKS = 3_000;
/** Stands for nodes that are not known yet; no start is named so. */
const ANYBODY = "";
/** What a channel and a range of dots take beside the entries. */
const PART_BYTES = 40;
const RANGE_BYTES = 4;

/** What is sent bit by bit. */
interface Sending {
  readonly messages: Iterator<readonly [Address, Message, number]>;
  readonly answer?: Answer;
}

export interface AnswersOptions {
  readonly own: OwnPresence;
  readonly transport: MeshTransport;
  readonly clock: Clock;
  readonly afterTurn: AfterTurn;
  readonly counters: MeshPresenceCounters;
  /** Tells the others what they have not been told yet. */
  readonly flush: () => void;
  /** Says that this node is there, where others may not have heard it: what it tells means nothing to them before. */
  readonly announce: () => void;
  /** Milliseconds for which questions are gathered that nobody waits for. */
  readonly gatherMs: number;
  /** The starts of the other nodes that are there. */
  readonly starts: () => Iterable<string>;
}

/**
 * Answers what other nodes ask of the members of this one. What several ask at about the same time, or are about to
 * ask, is said once, to all that are interested.
 */
export class Answers {
  readonly #options: AnswersOptions;
  readonly #urgent = new Questions();
  readonly #gathered = new Questions();
  readonly #comparing = new Set<string>();
  readonly #answered: Answered;
  /** Nodes that have come a moment ago, and may not have asked yet. */
  readonly #expected = new Map<string, TimerHandle>();
  #isUrgentDue = false;
  #gathering: TimerHandle | undefined;
  readonly #queue: Sending[] = [];
  #isSending = false;
  #last = 0;

  constructor(options: AnswersOptions) {
    this.#options = options;
    this.#answered = new Answered(options.clock);
  }

  /** The link is up: others may be there that were not heard yet, and lack anything. */
  linkUp(): void {
    this.arrived(ANYBODY);
  }

  /** A node is there that may lack anything. */
  arrived(start: string): void {
    const { clock, gatherMs } = this.#options;
    this.#answered.forget(start);
    this.#noLongerExpect(start);
    this.#expected.set(
      start,
      clock.setTimeout(() => this.#expected.delete(start), gatherMs),
    );
  }

  ask(asker: string, { isUrgent, wants }: Ask): void {
    const { counters, afterTurn } = this.#options;
    const questions = isUrgent ? this.#urgent : this.#gathered;
    for (const { app, channel, known } of wants) {
      if (!isUrgent && this.#answered.isOnItsWay(app, channel, asker, known.floor)) continue;
      if (questions.size < MAX_CHANNELS) questions.add(app, channel, asker, known);
      else counters.refused++;
    }
    if (!isUrgent) {
      this.#gather();
      return;
    }
    if (this.#isUrgentDue) return;
    this.#isUrgentDue = true;
    afterTurn(() => {
      this.#isUrgentDue = false;
      this.#answer(this.#urgent.take().map((question) => this.#gathered.joined(question)));
    });
  }

  compare(asker: string): void {
    this.#comparing.add(asker);
    this.#gather();
  }

  /** Nothing that is under way will be answered. */
  clear(): void {
    if (this.#gathering !== undefined) this.#options.clock.clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#urgent.take();
    this.#gathered.take();
    this.#comparing.clear();
    this.#answered.clear();
    for (const start of [...this.#expected.keys()]) this.#noLongerExpect(start);
    this.#queue.length = 0;
    this.#isSending = false;
  }

  #noLongerExpect(start: string): void {
    const timer = this.#expected.get(start);
    if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    this.#expected.delete(start);
  }

  #gather(): void {
    const { clock, gatherMs } = this.#options;
    this.#gathering ??= clock.setTimeout(() => {
      this.#gathering = undefined;
      const [first, second] = this.#comparing;
      if (first !== undefined) {
        const one = { to: "node", start: first } as const;
        const messages = this.#digests(second === undefined ? one : { to: "all" });
        this.#queue.push({ messages });
      }
      this.#comparing.clear();
      this.#answer(this.#gathered.take());
    }, gatherMs);
  }

  #answer(questions: readonly Question[]): void {
    const { starts, announce } = this.#options;
    announce();
    const askers = questions.flatMap((question) => [...question.askers.keys()]);
    const all = new Set([...starts(), ...askers]);
    const ofAsker = new Map<string, Question[]>();
    for (const question of questions) {
      const { app, channel } = question;
      const [asked] = question.askers;
      if (asked === undefined) continue;
      const [first, known] = asked;
      // Of what one node has forgotten the others may know nothing, either.
      const isShared = known.floor === 0 && this.#isExpected(first);
      if (question.askers.size > 1 || isShared) {
        this.#enqueue({ to: "channel", app, channel }, [question], all);
        continue;
      }
      const others = ofAsker.get(first);
      if (others === undefined) ofAsker.set(first, [question]);
      else others.push(question);
    }
    for (const [start, asked] of ofAsker) {
      this.#enqueue({ to: "node", start }, asked, new Set([start]));
    }
    if (!this.#isSending) this.#send();
  }

  /** @param starts the nodes that it goes to */
  #enqueue(address: Address, questions: readonly Question[], starts: Set<string>): void {
    const answer = { starts, upTo: this.#options.own.now, isSent: false };
    for (const { app, channel } of questions) this.#answered.note(app, channel, answer);
    this.#queue.push({ messages: this.#messages(address, questions), answer });
  }

  /** Whether somebody else may be about to ask. */
  #isExpected(asker: string): boolean {
    return this.#expected.size > (this.#expected.has(asker) ? 1 : 0);
  }

  /** A burst at a time, made when it is sent, so that an answer of any size takes no memory. */
  #send(): void {
    const { transport, flush } = this.#options;
    this.#isSending = false;
    for (let sent = 0; sent < BURST_BYTES; ) {
      const [sending] = this.#queue;
      if (sending === undefined) return;
      // An answer tells what has happened, but not how.
      flush();
      const next = sending.messages.next();
      if (next.done === true) {
        if (sending.answer !== undefined) sending.answer.isSent = true;
        this.#queue.shift();
        continue;
      }
      const [address, message, bytes] = next.value;
      transport.send(address, message);
      sent += bytes;
    }
    this.#isSending = true;
    transport.whenSent(() => this.#send());
  }

  *#messages(
    address: Address,
    questions: readonly Question[],
  ): Iterator<readonly [Address, Message, number]> {
    let parts: Part[] = [];
    let bytes = 0;
    const { own } = this.#options;
    for (const { app, channel, askers } of questions) {
      const known = [...askers.values()].reduce(common);
      const statements = own.difference(app, channel, known, MESSAGE_BYTES)[Symbol.iterator]();
      const answer = ++this.#last;
      for (let [next, index] = [statements.next(), 1]; next.done !== true; index++) {
        const statement = next.value;
        // Only the last one says what was heard.
        const isLast = !statement.heard.isEmpty;
        const place: Place | undefined =
          isLast && index === 1 ? undefined : { answer, index, isLast };
        parts.push({ app, channel, ...statement, news: [], place });
        bytes += PART_BYTES + app.length + channel.length + RANGE_BYTES * statement.context.ranges;
        bytes += statement.entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
        if (bytes >= MESSAGE_BYTES) {
          yield [address, { type: "told", parts }, bytes];
          [parts, bytes] = [[], 0];
        }
        next = statements.next();
      }
    }
    if (parts.length > 0) yield [address, { type: "told", parts }, bytes];
  }

  *#digests(address: Address): Iterator<readonly [Address, Message, number]> {
    const { own } = this.#options;
    const { now } = own;
    const all = own.marks();
    let low = 0;
    for (let at = 0; at === 0 || at < all.length; at += MARKS) {
      const marks: readonly Mark[] = all.slice(at, at + MARKS);
      const next = all[at + MARKS];
      const high = next === undefined ? MAX_HASH : Math.max(low, next[0] - 1);
      yield [address, { type: "digest", now, low, high, marks }, PART_BYTES + 14 * marks.length];
      low = high + 1;
    }
  }
}

/** What both know. */
function common(one: Known, other: Known): Known {
  const floor = Math.min(one.floor, other.floor);
  return { floor, context: one.context.intersection(other.context) };
}
