import type { Publication } from "../../hub/publication.ts";
import type { Clock, TimerHandle } from "../../ports.ts";
import type { HistoryEntry } from "../stream.ts";
import type { MeshCounters } from "./counters.ts";
import type { KeptChannel, KeptReader } from "./kept-reader.ts";
import type { MeshLink } from "./link.ts";
import type { MeshStream } from "./mesh-stream.ts";
import { Gate, type Live, type Tail, type Waiting } from "./tail.ts";

/** Channels whose gaps are read at a time. */
const READERS = 16;
/** Publications of a stream that are read for each channel with a gap rather than each channel by itself. */
const WORTH_READING = 20;
/** Questions that one publication costs where others lie between those of its channel, about. */
const QUESTIONS = 1.5;
/** Publications that a gap is filled with at a time. */
const FILL_ENTRIES = 1_000;
/** Milliseconds that a link may have been dead before that was noticed, and with it all that has no gap yet. */
const UNNOTICED_MS = 30_000;
/** Milliseconds until a stream that cannot be had is looked for again. */
const RETRY_MS = 1_000;

/** A channel with history that this worker has subscribers in. */
export interface TailedChannel extends KeptChannel {
  readonly tail: Tail;
  /** Settles when it is known what is wanted of it; undefined where nobody waits for that. */
  readonly begun: Promise<void> | undefined;
}

export interface GapFillerOptions {
  readonly link: MeshLink;
  readonly clock: Clock;
  readonly counters: MeshCounters;
  readonly reader: KeptReader;
  /** The channels of a stream that this worker has subscribers in. */
  channelsOf(stream: MeshStream): Iterable<TailedChannel>;
  /** Subscribers of these are to be told, all together, so that they do not come back all at once. */
  missed(tails: ReadonlySet<Tail>): void;
}

/** A channel that may have something behind an offset that did not come. */
interface Gap {
  readonly channel: TailedChannel;
  readonly from: number;
}

/** What a gap was filled with. */
interface Filling {
  readonly tail: Tail;
  readonly lives: readonly Live[];
  readonly isComplete: boolean;
  readonly upTo: number;
}

/** Reads from the streams what did not come live. */
export class GapFiller {
  readonly #options: GapFillerOptions;
  readonly #gates = new Map<MeshStream, Gate>();
  readonly #filling = new Set<Gate>();
  #retry: TimerHandle | undefined;
  #opened: PromiseWithResolvers<void> | undefined;

  constructor(options: GapFillerOptions) {
    this.#options = options;
  }

  gateOf(stream: MeshStream): Gate {
    let gate = this.#gates.get(stream);
    if (gate === undefined) {
      const made = new Gate(() => void this.#fill(stream, made));
      gate = made;
      this.#gates.set(stream, gate);
    }
    return gate;
  }

  /** What waits is of a stream that is no more. */
  forget(stream: MeshStream): void {
    this.#gates.get(stream)?.clear();
  }

  /** What came while the link was down is in the streams, and nothing may pass it. */
  linkIsUp(): void {
    this.lost(this.#options.link.wentDownAt);
  }

  /** The same for what has been lost since a moment, ms since the epoch. */
  lost(since: number): void {
    for (const gate of this.#gates.values()) {
      gate.hold();
      gate.behindSince = Math.min(gate.behindSince ?? since, since);
    }
    void this.#catchUp();
  }

  /** What the leader of a stream had kept, but not said yet, when it was lost is in the stream. */
  leaderIsNew(stream: MeshStream): void {
    const gate = this.gateOf(stream);
    gate.hold();
    gate.behindSince ??= this.#options.clock.now();
    void this.#catchUpIn(stream, gate);
  }

  /** Settles when nothing waits for a gap to be filled. */
  async filled(): Promise<void> {
    while (this.#gates.values().some(({ isHeld }) => isHeld)) {
      this.#opened ??= Promise.withResolvers();
      await this.#opened.promise;
    }
  }

  /** Tries again what a stream has not answered; the next link does it by itself. */
  catchUpLater(): void {
    const { link, clock } = this.#options;
    const { number } = link;
    this.#retry ??= clock.setTimeout(() => {
      this.#retry = undefined;
      if (link.number === number && link.connection !== undefined) void this.#catchUp();
    }, RETRY_MS);
  }

  close(): void {
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
  }

  async #catchUp(): Promise<void> {
    await Promise.all([...this.#gates].map(([stream, gate]) => this.#catchUpIn(stream, gate)));
  }

  async #catchUpIn(stream: MeshStream, gate: Gate): Promise<void> {
    const { mustLook, holds } = gate;
    try {
      const { last } = await stream.look();
      const isLatest = mustLook && gate.holds === holds;
      const late = new Set<Tail>();
      for (const { tail, begun } of this.#options.channelsOf(stream)) {
        if (tail.last === undefined) {
          // Whoever is being answered begins by itself; the others were, some time ago.
          if (begun !== undefined) continue;
          tail.begin(last);
          late.add(tail);
        } else if (isLatest && tail.last < last) {
          gate.gaps.add(tail);
        }
      }
      if (late.size > 0) this.#options.missed(late);
      if (isLatest) gate.hasLooked();
      if (gate.isHeld && !gate.mustLook) await this.#fill(stream, gate);
    } catch {
      this.catchUpLater();
    }
  }

  /** Fills all gaps there are, in the order of the stream, and opens the gate. */
  async #fill(stream: MeshStream, gate: Gate): Promise<void> {
    // Whoever is at it sees what came meanwhile, too.
    if (this.#filling.has(gate)) return;
    this.#filling.add(gate);
    let { generation } = gate;
    const tried = new Set<Tail>();
    let all: Filling[] = [];
    const upTo = new Map<Tail, number>();
    try {
      while (gate.gaps.size > 0) {
        const channels = [...this.#options.channelsOf(stream)];
        const gaps = channels.filter(({ tail }) => gate.gaps.has(tail));
        gate.gaps.clear();
        for (const { tail } of gaps) tried.add(tail);
        if (gate.generation !== generation) {
          ({ generation } = gate);
          upTo.clear();
          all = [];
        }
        const read = await this.#readGaps(stream, gate, gaps, upTo);
        // What is read once more while more comes in would be more every time.
        for (const filling of read) upTo.set(filling.tail, filling.upTo);
        all.push(...read);
      }
    } catch {
      // What waits goes on waiting: behind a gap nothing may be delivered.
      for (const tail of tried) gate.gaps.add(tail);
      this.catchUpLater();
      return;
    } finally {
      this.#filling.delete(gate);
    }
    if (gate.mustLook) for (const tail of tried) gate.gaps.add(tail);
    else this.#open(gate, gate.generation === generation ? all : []);
  }

  #open(gate: Gate, all: readonly Filling[]): void {
    const { counters, missed } = this.#options;
    const read: Waiting[] = [];
    const broken = new Set<Tail>();
    for (const { tail, lives, isComplete, upTo } of all) {
      if (!isComplete && tail.last !== undefined) broken.add(tail);
      if (lives.length > 0) counters.filled++;
      tail.hasRead(upTo);
      for (const live of lives) read.push({ tail, live });
    }
    if (broken.size > 0) missed(broken);
    gate.behindSince = undefined;
    gate.open(read);
    for (const { tail } of all) tail.wasFilled();
    gate.lookAgain();
    this.#tellOpened();
  }

  #tellOpened(): void {
    this.#opened?.resolve();
    this.#opened = undefined;
  }

  /** What channels have in their stream behind the last that was delivered. */
  async #readGaps(
    stream: MeshStream,
    gate: Gate,
    channels: readonly TailedChannel[],
    upTo: ReadonlyMap<Tail, number>,
  ): Promise<readonly Filling[]> {
    const { clock } = this.#options;
    const { behindSince = clock.now() } = gate;
    // All that was published before is known here, and nothing of what came since can have become too old.
    const knownAt = behindSince - UNNOTICED_MS;
    // A gap that a publication has shown may be older than anything that was noted here.
    const isNoted = gate.behindSince !== undefined;
    const isYoung = isNoted && clock.now() - knownAt < stream.ttlMs;
    const noted = isNoted ? gate.offsetAt(knownAt) : 0;
    const gaps = channels
      .filter(({ tail }) => tail.last !== undefined)
      .map((channel) => {
        const { tail } = channel;
        const known = Math.max(tail.complete, upTo.get(tail) ?? 0);
        return { channel, from: Math.max(known, noted) };
      });
    if (gaps.length > READERS) {
      const oldest = gaps.reduce((least, { from }) => Math.min(least, from), Infinity);
      const { last } = await stream.look();
      const ofOthers = 1 - QUESTIONS * gate.shareBefore(behindSince);
      if ((last - oldest) * ofOthers <= gaps.length * WORTH_READING) {
        return this.#readTogether(stream, gaps, oldest, isYoung);
      }
    }
    return inTurns(gaps, READERS, (gap) => this.#readGap(gap, isYoung));
  }

  async #readTogether(
    stream: MeshStream,
    gaps: readonly Gap[],
    oldest: number,
    isYoung: boolean,
  ): Promise<readonly Filling[]> {
    const { reader } = this.#options;
    const all = await reader.allBehind(stream, oldest);
    return gaps.map(({ channel, from }) => {
      const part = reader.partOf(channel, all, from);
      const isComplete = part.isComplete || (isYoung && part.isWithinSize);
      return { tail: channel.tail, lives: part.entries.map(liveOf), isComplete, upTo: all.upTo };
    });
  }

  async #readGap({ channel, from }: Gap, isYoung: boolean): Promise<Filling> {
    const lives: Live[] = [];
    let isComplete = true;
    let since = { epoch: channel.stream.epoch ?? "", offset: from };
    for (let hasMore = true; hasMore; ) {
      const request = { since, limit: FILL_ENTRIES };
      const page = await this.#options.reader.page(channel, request);
      isComplete &&= page.isComplete || (isYoung && page.isWithinSize);
      lives.push(...page.entries.map(liveOf));
      ({ hasMore } = page);
      const last = page.entries.at(-1)?.offset;
      since = hasMore && last !== undefined ? { ...page.position, offset: last } : page.position;
    }
    return { tail: channel.tail, lives, isComplete, upTo: since.offset };
  }
}

function liveOf({ offset, content }: HistoryEntry<Publication>): Live {
  return { offset, previous: 0, publication: content };
}

/** Does something with each, so many at a time; answers what came of it, in order. */
async function inTurns<T, U>(
  all: readonly T[],
  atOnce: number,
  work: (each: T) => Promise<U>,
): Promise<U[]> {
  const done: U[] = [];
  for (let at = 0; at < all.length; at += atOnce) {
    done.push(...(await Promise.all(all.slice(at, at + atOnce).map(work))));
  }
  return done;
}
