import { StarlingError } from "@starling/protocol/errors.ts";
import type { StoredMessage } from "./stored-message.ts";
import type { StoredChannel, StoredLimits, StoredStretch } from "./stored-stream.ts";

/** Messages that are asked for one after the other, at most: each answer says where the next one is. */
export const STRIDE = 4;
/** Questions under way of a channel of which nothing is known, and that there never are more of. */
const FIRST = 4;
const MOST = 512;
/** How many more questions, or numbers, each message makes worth while. */
const GROWTH = 4;
/** Milliseconds after which nothing more is begun, and after which nothing is completed either. */
const SHORT_MS = 1_000;
const LONG_MS = 2_500;
/** How many messages say how dense a channel is, and how much of what was known each span leaves. */
export const MEMORY = 128;
const DECAY = 1 - STRIDE / MEMORY;

/** What is looked for. */
export interface Walk extends StoredChannel, StoredLimits {
  /** Both ends included. */
  readonly from: number;
  readonly to: number;
  /** The newest message of the channel, as it was said before. */
  readonly newest: number;
  /** What lies beside it, which is probably like it. */
  readonly known: Sample;
  /** How long it has taken, ms. */
  elapsed(): number;
  /** What has come is given to it in order. */
  took(stretch: StoredStretch): void;
}

/** What so many numbers of a stream have of a channel. */
export interface Sample {
  readonly numbers: number;
  readonly messages: number;
  readonly bytes: number;
}

/** Numbers one after the other, both ends included. */
interface Span {
  from: number;
  to: number;
  /** `left` to whoever looks at it next, or `done`. */
  state: "left" | "walked" | "done";
  /** The first that is not known yet. */
  at: number;
  /** How many numbers whoever begins here may take, at most. */
  width: number;
  /** How many messages whoever walks here asks for, at most. */
  readonly most: number;
  readonly messages: StoredMessage[];
  bytes: number;
}

/** Reads a part of a channel at several places at a time; there may be some more messages than were wanted. */
export function walk(options: Walk): Promise<StoredStretch> {
  return new StreamWalk(options).run();
}

class StreamWalk {
  readonly #options: Walk;
  /** In order; between them nothing is left that could be there. */
  readonly #spans: Span[] = [];
  readonly #found: StoredMessage[] = [];
  #foundBytes = 0;
  readonly #end = Promise.withResolvers<StoredStretch>();
  #isOver = false;
  #underWay = 0;
  /** Questions that may be under way: what is not found where it was hoped for costs as many. */
  #credit: number;
  /** Of the last spans. */
  #numbers: number;
  #messages: number;
  /** Of all that is known. */
  #answers: number;
  #bytes: number;

  constructor(options: Walk) {
    this.#options = options;
    const { from, to, known } = options;
    if (from <= to) this.#spans.push(spanOf("left", from, to));
    this.#credit = Math.min(MOST, FIRST + known.messages * GROWTH);
    // Of what is not known it is supposed that there is much, and that little is wanted.
    this.#numbers = Math.max(1, known.numbers);
    this.#messages = Math.max(1, known.messages);
    this.#answers = known.messages;
    this.#bytes = known.bytes;
  }

  run(): Promise<StoredStretch> {
    this.#goOn();
    return this.#end.promise;
  }

  get #most(): number {
    return Math.min(this.#options.stream.atOnce, this.#credit);
  }

  #goOn(): void {
    this.#collect();
    while (this.#underWay < this.#most) {
      const span = this.#next();
      if (span === undefined) break;
      this.#underWay++;
      void this.#walk(span).then(
        () => {
          this.#underWay--;
          if (!this.#isOver) this.#goOn();
        },
        (error: unknown) => {
          this.#isOver = true;
          this.#end.reject(error);
        },
      );
    }
    if (this.#underWay === 0) this.#end.resolve({ messages: this.#found, upTo: this.#upTo });
  }

  /** Up to which all is known. */
  get #upTo(): number {
    return (this.#spans[0]?.from ?? this.#options.to + 1) - 1;
  }

  /** Takes what has nothing before it any more that is not known. */
  #collect(): void {
    const open = this.#spans.findIndex(({ state }) => state !== "done");
    const done = this.#spans.splice(0, open < 0 ? this.#spans.length : open);
    if (done.length === 0) return;
    const messages = done.flatMap((span) => span.messages);
    for (const message of messages) this.#found.push(message);
    for (const { bytes } of done) this.#foundBytes += bytes;
    this.#options.took({ messages, upTo: this.#upTo });
  }

  /** Where to look next: at the first numbers that nobody looks at, if what lies before them is not enough. */
  #next(): Span | undefined {
    const last = this.#lastToLookAt();
    const bytesOfOne = Math.max(1, this.#bytes) / Math.max(1, this.#answers);
    let messages = this.#found.length;
    let bytes = this.#foundBytes;
    for (const [index, span] of this.#spans.entries()) {
      if (index > last) return undefined;
      if (span.state === "left") {
        const { limit, maxBytes } = this.#options;
        const room = Math.min(limit - messages, (maxBytes - bytes) / bytesOfOne);
        return room > 0 ? this.#begin(index, span, room) : undefined;
      }
      const coming = span.state === "done" ? 0 : this.#comingOf(span);
      messages += span.messages.length + coming;
      bytes += span.bytes + coming * bytesOfOne;
    }
    return undefined;
  }

  /** Where it is late only what was passed over is still asked for, since what was found behind it is of no use else. */
  #lastToLookAt(): number {
    const elapsed = this.#found.length > 0 ? this.#options.elapsed() : 0;
    if (elapsed < SHORT_MS) return Infinity;
    return elapsed < LONG_MS ? this.#spans.findLastIndex(({ state }) => state !== "left") : -1;
  }

  #begin(index: number, left: Span, room: number): Span {
    const numbersOfOne = this.#numbers / this.#messages;
    const wanted = Math.min(room, (left.to - left.from + 1) / numbersOfOne);
    // Where there are fewer than could be asked for at a time none has to wait for another.
    const most = Math.min(STRIDE, Math.max(1, Math.ceil(wanted / (this.#most - this.#underWay))));
    const likely = Math.ceil(most * numbersOfOne);
    const to = Math.min(left.to, left.from + Math.min(likely, left.width) - 1);
    const span = { ...spanOf("walked", left.from, to), most };
    if (to === left.to) {
      this.#spans[index] = span;
    } else {
      left.from = to + 1;
      left.width *= GROWTH;
      this.#spans.splice(index, 0, span);
    }
    return span;
  }

  /** The messages of a span, one after the other, as far as they are wanted and not too many. */
  async #walk(span: Span): Promise<void> {
    const { stream, subject } = this.#options;
    while (span.at <= span.to && span.messages.length < span.most && !this.#isEnoughWith(span)) {
      const message = await stream.next(subject, span.at);
      if (this.#isOver) return;
      if (message === undefined) await requireGone(this.#options, span.at);
      if (message === undefined || message.offset > span.to) {
        this.#skip(span, message?.offset ?? Infinity);
        break;
      }
      span.messages.push(message);
      span.bytes += message.message.data.length;
      span.at = message.offset + 1;
      this.#answers++;
      this.#bytes += message.message.data.length;
      this.#credit = Math.min(MOST, this.#credit + GROWTH);
      this.#goOn();
    }
    this.#finish(span);
  }

  /** Nothing lies between what is known of a span and that number. */
  #skip(span: Span, offset: number): void {
    span.at = span.to + 1;
    const behind = this.#spans.indexOf(span) + 1;
    for (let index = behind; index < this.#spans.length; ) {
      const other = this.#spans[index];
      if (other === undefined || other.from >= offset) return;
      if (other.state === "left" && other.to < offset) {
        this.#spans.splice(index, 1);
        continue;
      }
      if (other.state === "left") other.from = offset;
      index++;
    }
  }

  #finish(span: Span): void {
    span.state = "done";
    const numbers = span.at - span.from;
    const { length } = span.messages;
    if (length === 0) this.#credit = Math.max(FIRST, this.#credit - GROWTH);
    this.#numbers = this.#numbers * DECAY + numbers;
    this.#messages = this.#messages * DECAY + length;
    if (span.at > span.to) return;
    // What has more than was to be expected is looked at by several, who take little at first.
    const rest = spanOf("left", span.at, span.to, numbers * GROWTH);
    span.to = span.at - 1;
    this.#spans.splice(this.#spans.indexOf(span) + 1, 0, rest);
  }

  /** How many messages whoever walks there will probably still find. */
  #comingOf({ messages, at, to, most }: Span): number {
    const likely = ((to - at + 1) * this.#messages) / this.#numbers;
    return Math.min(most - messages.length, likely);
  }

  #isEnoughWith(last: Span): boolean {
    let messages = this.#found.length;
    let bytes = this.#foundBytes;
    for (const span of this.#spans) {
      messages += span.messages.length;
      bytes += span.bytes;
      if (span === last) break;
    }
    return this.#isEnough(messages, bytes);
  }

  #isEnough(messages: number, bytes: number): boolean {
    const { limit, maxBytes } = this.#options;
    return messages >= limit || bytes >= maxBytes;
  }
}

function spanOf(state: Span["state"], from: number, to: number, width = Infinity): Span {
  return { from, to, state, at: from, width, most: 0, messages: [], bytes: 0 };
}

/** Nothing is left of a channel from there on, though there was: it became too old, or a leader does not have it yet. */
async function requireGone({ stream, subject, newest }: Walk, from: number): Promise<void> {
  const { last } = await stream.look();
  if (last >= newest && (await stream.newestOf(subject)) < from) return;
  throw new StarlingError("broker_unavailable", "a leader of NATS does not have everything yet");
}
