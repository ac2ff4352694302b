import type { AfterTurn, ByteStream, Clock, Log, TimerHandle } from "../../ports.ts";
import { putFrameLength } from "./frames.ts";
import type { LinkCounters } from "./link-counters.ts";
import { FLAG_PROMPT, HEADER_BYTES, putHeader, readHeader } from "./link-header.ts";
import { Reader } from "./reader.ts";
import { type Confirmed, SentFrames } from "./sent-frames.ts";
import { WireError } from "./wire-error.ts";
import { Writer } from "./writer.ts";

/** A frame that has grown to this size takes no more messages. */
const FULL_FRAME_BYTES = 256 * 1024;
/** Received bytes that are confirmed at the end of the turn. */
const CONFIRM_BYTES = 64 * 1024;
/** Milliseconds until anything that was received is confirmed. */
const CONFIRM_MS = 100;

export const DEFAULT_MAX_QUEUED_BYTES = 16 * 1024 * 1024;

export interface LinkOptions {
  readonly clock: Clock;
  readonly afterTurn: AfterTurn;
  readonly counters: LinkCounters;
  readonly log: Log;
  /** Milliseconds without a sign of the peer until `silent` is called; a quarter of it is the pulse. */
  readonly leaseMs: number;
  /** Bytes that may wait to be confirmed. */
  readonly maxQueuedBytes: number;
  /** At that limit: refuse the message, or drop whatever waits and go on behind it. */
  readonly whenFull: "refuse" | "drop";
  /** One message of the peer; reads all of it first, and throws WireError where it is none. */
  receive(message: Reader): void;
  /** The last moment to add messages to the frame of this turn. */
  fill?(): void;
  /** Nothing was heard for the lease, whether or not there is a stream. */
  silent(): void;
  /** Everything that waited was dropped; the stream has been ended. */
  dropped?(): void;
}

/**
 * One end of a link: messages in numbered frames over a stream, which they survive. Frames are kept
 * until the peer confirms them, and sent again over the next stream.
 *
 * Messages of one turn of the event loop share a frame, so that a burst costs one write.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #counters: LinkCounters;
  readonly #writer = new Writer();
  readonly #reader = new Reader();
  readonly #sent = new SentFrames();
  #stream: ByteStream | undefined;
  /** What is left of a frame that the stream took a part of. */
  #rest: Uint8Array | undefined;
  #isBlocked = false;
  #isScheduled = false;
  #isDisposed = false;
  /** Messages in the open frame, and where the last of them ends, relative to where it begins. */
  #messages = 0;
  #end = HEADER_BYTES;
  #isPrompt = false;
  #callbacks: Confirmed[] | undefined;
  #received = 0;
  #confirmedBytes = 0;
  #mustConfirm = false;
  #confirmTimer: TimerHandle | undefined;
  #pulseTimer: TimerHandle | undefined;
  #hasSpoken = false;
  #lastHeard: number;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#lastHeard = options.clock.now();
    this.#openFrame();
    this.#setPulse();
  }

  get isAttached(): boolean {
    return this.#stream !== undefined;
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  /** The number of the last frame that came from the peer. */
  get received(): number {
    return this.#received;
  }

  /** The number before the first frame that can be sent again. */
  get base(): number {
    return this.#sent.base;
  }

  /** Bytes that the peer has not confirmed. */
  get bytesWaiting(): number {
    return this.#sent.bytes + this.#end - HEADER_BYTES;
  }

  /** Begins a message; `commit` ends it, and without that it is forgotten. */
  begin(): Writer {
    if (this.#end >= FULL_FRAME_BYTES) {
      this.#sealFrame();
      this.#pump();
    }
    this.#writer.at = this.#writer.base + this.#end;
    return this.#writer;
  }

  /** Bytes of the message that was begun. */
  get messageBytes(): number {
    return this.#writer.length - this.#end;
  }

  /**
   * Sends the message with the others of this turn; false when it was refused. It may fill the queue
   * up to so many times the limit: what must not be refused has room where all else is.
   */
  commit(share = 1): boolean {
    if (this.#isDisposed) return false;
    const { maxQueuedBytes, whenFull } = this.#options;
    const isDropping = whenFull === "drop";
    const limit = isDropping ? maxQueuedBytes : share * maxQueuedBytes;
    const isFull = this.bytesWaiting + this.messageBytes > limit;
    if (isFull && !isDropping) {
      this.#counters.refused++;
      return false;
    }
    this.#messages++;
    this.#end = this.#writer.length;
    if (isFull) this.#drop();
    else this.schedule();
    return true;
  }

  /** Calls back once the message that was committed last is confirmed, or never will be. */
  whenConfirmed(callback: Confirmed): void {
    if (this.#messages === 0) {
      callback(false);
      return;
    }
    this.#isPrompt = true;
    this.#callbacks ??= [];
    this.#callbacks.push(callback);
  }

  /** Has `fill` called, and what there is sent, at the end of the turn. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.afterTurn(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  /**
   * Goes on over a new stream, whose peer has the frames up to `peerReceived`. Frames up to
   * `peerBase` are not to come any more.
   *
   * @throws WireError when the peer has what was never sent
   */
  attach(stream: ByteStream, peerReceived: number, peerBase: number): void {
    this.#detach();
    this.#sent.confirm(peerReceived);
    this.#sent.rewind();
    this.#received = Math.max(this.#received, peerBase);
    this.#stream = stream;
    this.#lastHeard = this.#options.clock.now();
    this.schedule();
  }

  /** The stream is no more; where the link goes on over another one already, nothing changes. */
  detach(stream: ByteStream): void {
    if (this.#stream === stream) this.#detach();
  }

  /** Ends the stream that there is. */
  cut(): void {
    const stream = this.#stream;
    this.#detach();
    stream?.end();
  }

  /** The stream takes bytes again. */
  drained(stream: ByteStream): void {
    if (this.#stream !== stream) return;
    this.#isBlocked = false;
    this.#flush();
  }

  /**
   * A frame of the peer.
   *
   * @throws WireError when it is none; the link is of no use then
   */
  frame(bytes: Uint8Array, start: number, end: number): void {
    const reader = this.#reader.reset(bytes, start, end);
    const header = readHeader(reader);
    this.#lastHeard = this.#options.clock.now();
    this.#counters.framesReceived++;
    this.#counters.bytesReceived += end - start;
    this.#sent.confirm(header.received);
    if (header.sequence === 0 || header.sequence <= this.#received) return;
    if (header.sequence !== this.#received + 1) throw new WireError("a frame is missing");
    this.#received = header.sequence;
    this.#oweConfirmation(end - start, (header.flags & FLAG_PROMPT) !== 0);
    while (!reader.isAtEnd && !this.#isDisposed) {
      this.#counters.messagesReceived++;
      try {
        this.#options.receive(reader);
      } catch (error) {
        if (error instanceof WireError) throw error;
        this.#options.log.error({ err: error }, "a message of the broker was not handled");
      }
    }
  }

  /** Drops everything for good; who waits for a confirmation is called back. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.cut();
    const { clock } = this.#options;
    for (const timer of [this.#confirmTimer, this.#pulseTimer]) {
      if (timer !== undefined) clock.clearTimeout(timer);
    }
    this.#dropWaiting();
  }

  #detach(): void {
    this.#stream = undefined;
    this.#rest = undefined;
    this.#isBlocked = false;
  }

  #drop(): void {
    this.cut();
    this.#dropWaiting();
    this.#options.dropped?.();
  }

  #dropWaiting(): void {
    this.#sealFrame();
    this.#counters.dropped += this.#sent.drop();
  }

  #openFrame(): void {
    this.#writer.ensure(HEADER_BYTES);
    this.#writer.at += HEADER_BYTES;
    this.#end = HEADER_BYTES;
    this.#messages = 0;
    this.#isPrompt = false;
    this.#callbacks = undefined;
  }

  #sealFrame(): void {
    if (this.#messages === 0) return;
    this.#writer.at = this.#writer.base + this.#end;
    const bytes = this.#writer.cut();
    this.#sent.add(bytes, this.#messages, this.#isPrompt, this.#callbacks);
    this.#openFrame();
  }

  #flush(): void {
    // A frame that cannot leave goes on growing, which costs less than many small ones.
    if (this.#stream === undefined || this.#isBlocked) return;
    this.#fill();
    this.#sealFrame();
    this.#pump();
  }

  #fill(): void {
    // What is added now leaves now, and needs no further turn.
    const isScheduled = this.#isScheduled;
    this.#isScheduled = true;
    this.#options.fill?.();
    this.#isScheduled = isScheduled;
  }

  #pump(): void {
    while (this.#stream !== undefined && !this.#isBlocked) {
      const bytes = this.#rest ?? this.#nextFrame();
      if (bytes === undefined) return;
      this.#hasSpoken = true;
      const taken = this.#stream.write(bytes);
      this.#isBlocked = taken < bytes.length;
      this.#rest = this.#isBlocked ? bytes.subarray(taken) : undefined;
    }
  }

  /** The frame to write next, with what there is to confirm. */
  #nextFrame(): Uint8Array | undefined {
    const frame = this.#sent.next();
    if (frame === undefined && !this.#mustConfirm) return undefined;
    const bytes = frame?.bytes ?? new Uint8Array(HEADER_BYTES);
    putFrameLength(bytes, bytes.length - 4);
    putHeader(bytes, frame?.sequence ?? 0, this.#received, frame?.isPrompt ? FLAG_PROMPT : 0);
    this.#mustConfirm = false;
    this.#confirmedBytes = 0;
    this.#counters.framesSent++;
    this.#counters.messagesSent += frame?.messages ?? 0;
    this.#counters.bytesSent += bytes.length;
    return bytes;
  }

  #oweConfirmation(length: number, isPrompt: boolean): void {
    this.#confirmedBytes += length;
    if (isPrompt || this.#confirmedBytes >= CONFIRM_BYTES) {
      this.#mustConfirm = true;
      this.schedule();
    }
    this.#confirmTimer ??= this.#options.clock.setTimeout(() => {
      this.#confirmTimer = undefined;
      if (this.#confirmedBytes === 0) return;
      this.#mustConfirm = true;
      this.#flush();
    }, CONFIRM_MS);
  }

  #setPulse(): void {
    const { clock, leaseMs } = this.#options;
    const now = clock.now();
    const leftMs = Math.max(1, this.#lastHeard + leaseMs - now);
    const delayMs = Math.min(leaseMs / 4, leftMs);
    this.#pulseTimer = clock.setTimeout(() => this.#pulse(now + delayMs), delayMs);
  }

  #pulse(due: number): void {
    const { clock, leaseMs } = this.#options;
    const now = clock.now();
    // A process that was stopped itself has to read first what came meanwhile; a clock that was set
    // looks the same.
    if (Math.abs(now - due) > leaseMs / 4) this.#lastHeard = now;
    if (now - this.#lastHeard >= leaseMs) {
      this.#options.silent();
      return;
    }
    this.#setPulse();
    if (!this.#hasSpoken) {
      this.#mustConfirm = true;
      this.#flush();
    }
    this.#hasSpoken = false;
  }
}
