import { ByChannel } from "../hub/by-channel.ts";
import type { AfterTurn, Clock, TimerHandle } from "../ports.ts";
import type { MeshPresenceCounters } from "./counters.ts";
import { MAX_HASH } from "./hash.ts";
import type { Address, Ask, Mark, MeshTransport, Message, Part, Place } from "./messages.ts";
import { bytesOf, type Known } from "./own-channel.ts";
import type { OwnPresence } from "./own-presence.ts";

/** Bytes of one message, about; and those sent before the last of them is waited for. */
const MESSAGE_BYTES = 48 * 1024;
const BURST_BYTES = 256 * 1024;
/** Channels that may be asked for at the same time. */
const MAX_CHANNELS = 100_000;
/** Marks in one message. */
const MARKS = 3_000;
/** What a channel and a range of dots take beside the entries. */
const PART_BYTES = 40;
const RANGE_BYTES = 4;

/** A channel that is asked for, and by whom, with what each knows. */
interface Question {
  readonly app: string;
  readonly channel: string;
  readonly askers: Map<string, Known>;
}

export interface AnswersOptions {
  readonly own: OwnPresence;
  readonly transport: MeshTransport;
  readonly clock: Clock;
  readonly afterTurn: AfterTurn;
  readonly counters: MeshPresenceCounters;
  /** Tells the others what they have not been told yet. */
  readonly flush: () => void;
  /** Milliseconds for which questions are gathered that nobody waits for. */
  readonly gatherMs: number;
}

/**
 * Answers what other nodes ask of the members of this one. What several ask at about the same time is said once, to
 * all that are interested.
 */
export class Answers {
  readonly #options: AnswersOptions;
  readonly #urgent = new Questions();
  readonly #gathered = new Questions();
  readonly #comparing = new Set<string>();
  #isUrgentDue = false;
  #gathering: TimerHandle | undefined;
  readonly #queue: Iterator<readonly [Address, Message, number]>[] = [];
  #isSending = false;
  #last = 0;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  ask(asker: string, { isUrgent, wants }: Ask): void {
    const { counters, afterTurn } = this.#options;
    const questions = isUrgent ? this.#urgent : this.#gathered;
    for (const { app, channel, known } of wants) {
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
      this.#answer(this.#urgent);
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
    this.#queue.length = 0;
    this.#isSending = false;
  }

  #gather(): void {
    const { clock, gatherMs } = this.#options;
    this.#gathering ??= clock.setTimeout(() => {
      this.#gathering = undefined;
      const [first, second] = this.#comparing;
      if (first !== undefined) {
        const one = { to: "node", start: first } as const;
        this.#queue.push(this.#digests(second === undefined ? one : { to: "all" }));
      }
      this.#comparing.clear();
      this.#answer(this.#gathered);
    }, gatherMs);
  }

  #answer(questions: Questions): void {
    const ofAsker = new Map<string, Question[]>();
    for (const question of questions.take()) {
      const [first, second] = question.askers.keys();
      if (first === undefined) continue;
      if (second !== undefined) {
        const { app, channel } = question;
        this.#queue.push(this.#messages({ to: "channel", app, channel }, [question]));
        continue;
      }
      const others = ofAsker.get(first);
      if (others === undefined) ofAsker.set(first, [question]);
      else others.push(question);
    }
    for (const [start, asked] of ofAsker) {
      this.#queue.push(this.#messages({ to: "node", start }, asked));
    }
    if (!this.#isSending) this.#send();
  }

  /** A burst at a time, made when it is sent, so that an answer of any size takes no memory. */
  #send(): void {
    const { transport, flush } = this.#options;
    this.#isSending = false;
    for (let sent = 0; sent < BURST_BYTES; ) {
      const [answer] = this.#queue;
      if (answer === undefined) return;
      // An answer tells what has happened, but not how.
      flush();
      const next = answer.next();
      if (next.done === true) {
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

/** Questions that wait to be answered, each channel once. */
class Questions {
  #channels = new ByChannel<Question>();
  size = 0;

  add(app: string, channel: string, asker: string, known: Known): void {
    let question = this.#channels.get(app, channel);
    if (question === undefined) {
      question = { app, channel, askers: new Map() };
      this.#channels.set(app, channel, question);
      this.size++;
    }
    question.askers.set(asker, known);
  }

  /** All of them, which are answered now. */
  take(): readonly Question[] {
    const all = [...this.#channels.entries()].map(([, , question]) => question);
    this.#channels = new ByChannel();
    this.size = 0;
    return all;
  }
}
