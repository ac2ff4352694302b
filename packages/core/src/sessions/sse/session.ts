import type { CloseName } from "@starling/protocol/close-codes.ts";
import { closeCatalogue } from "@starling/protocol/close-codes.ts";
import { ExpiryTimer } from "../../auth/expiry-timer.ts";
import type { Channel } from "../../hub/channel.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import type { OneOrMany } from "../../hub/one-or-many.ts";
import { positionText } from "../../hub/position.ts";
import type { Beginning, Begun } from "../../hub/recovery.ts";
import type { Frame, Subscriber, WireFormat } from "../../hub/subscriber.ts";
import { TURN_BYTES } from "../../limits/connection-limits.ts";
import type { Clock } from "../../ports.ts";

/** A response body that text is written to as it comes. */
export interface TextStream {
  write(text: string): void;
  /** Bytes written that the client has not yet taken. */
  readonly bufferedAmount: number;
  /** Ends the response; what is buffered may still leave. */
  close(): void;
  /** Breaks the response off, and frees what is buffered. */
  abort(): void;
}

/** How long a client that lags may take to read the last of what waits for it. */
const ENDING_GRACE_MS = 5_000;

export interface SseSessionOptions {
  readonly id: string;
  readonly app: string;
  readonly user: string | undefined;
  /** When the stream must end, ms since the epoch; undefined is never. */
  readonly expiresAt: number | undefined;
  readonly format: WireFormat;
  /** What it is to hear, and what of each history; at least one. */
  readonly beginnings: readonly Beginning[];
  readonly hub: Hub;
  readonly clock: Clock;
  readonly counters: Counters;
  /** Bytes that may wait for the client before it is cut. */
  readonly slowConsumerBytes: number;
  /** Called once, when the session is over. */
  onEnd(session: SseSession): void;
}

/**
 * One stream of server-sent events (WHATWG HTML, section 9.2).
 *
 * A client that reads too slowly gets what is buffered and the end of the response, upon which an
 * `EventSource` connects again by itself.
 */
export class SseSession implements Subscriber {
  readonly id: string;
  readonly app: string;
  readonly user: string | undefined;
  readonly format: WireFormat;
  /** Streams take frames one by one. */
  readonly socket = undefined;
  channels: OneOrMany<Channel>;
  bagIndex = -1;
  readonly #options: SseSessionOptions;
  #stream: TextStream | undefined;
  readonly #expiry: ExpiryTimer;
  #isLooking = false;

  constructor(options: SseSessionOptions) {
    this.id = options.id;
    this.app = options.app;
    this.user = options.user;
    this.format = options.format;
    this.#options = options;
    this.#expiry = new ExpiryTimer(options.clock, () => this.disconnect("token_expired"));
  }

  /**
   * Begins to deliver the channels; `retryMs` is how long the client waits before it reconnects.
   *
   * @throws StarlingError `app_channels_full`, and the session is over
   */
  open(stream: TextStream, retryMs: number): void {
    const { hub, beginnings, expiresAt } = this.#options;
    this.#stream = stream;
    stream.write(`retry: ${retryMs}\n\n`);
    hub.register(this);
    this.#expiry.watch(expiresAt);
    try {
      const done = hub.begin(this, beginnings, { begun: (channels) => this.#begun(channels) });
      // Whoever has ended knows; the others come back and try again.
      if (done instanceof Promise) done.catch(() => this.disconnect("internal_error"));
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** Says from where the client can come back, and whether it gets what it missed. */
  #begun(channels: readonly Begun[]): void {
    const [first, ...others] = channels.flatMap(({ position }) => position ?? []);
    if (first !== undefined) {
      // What stands further on in one channel is not to be passed over in another.
      const offset = Math.min(first.offset, ...others.map((position) => position.offset));
      this.#write(`id: ${positionText({ ...first, offset })}\n\n`);
    }
    if (channels.every(({ recovered }) => recovered === undefined)) return;
    const lost = channels.filter(({ recovered }) => recovered === false);
    const recovered = lost.length === 0;
    const said =
      recovered || channels.length === 1
        ? { recovered }
        : { recovered, channels: lost.map(({ channel }) => channel) };
    this.#write(`event: starling:recovery\ndata: ${JSON.stringify(said)}\n\n`);
  }

  isReady(): boolean {
    return this.#stream?.bufferedAmount === 0;
  }

  deliver(frames: readonly Frame[]): void {
    for (const frame of frames) if (typeof frame === "string") this.#write(frame);
  }

  /** A comment, which keeps proxies from ending a silent response. */
  beat(): void {
    this.#write(":\n\n");
  }

  /** The client gets what is buffered; if it does not read for five seconds it is cut off. */
  cutSlow(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const { clock, counters } = this.#options;
    counters.slowConsumers++;
    this.#end();
    clock.setTimeout(() => stream.abort(), ENDING_GRACE_MS);
  }

  close(reason: CloseName): void {
    this.disconnect(reason);
  }

  /** An `EventSource` comes back whatever is said; it is told why all the same. */
  disconnect(reason: CloseName): void {
    const { code, reason: text } = closeCatalogue[reason];
    this.#stream?.write(
      `event: starling:close\ndata: ${JSON.stringify({ code, reason: text })}\n\n`,
    );
    this.#end();
  }

  /** The client is gone. */
  closed(): void {
    this.#end();
  }

  #write(text: string): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const { slowConsumerBytes } = this.#options;
    if (stream.bufferedAmount > slowConsumerBytes + TURN_BYTES) {
      this.cutSlow();
      return;
    }
    stream.write(text);
    if (stream.bufferedAmount > slowConsumerBytes) this.#lookLater();
  }

  /** What was written in this turn of the event loop leaves only after it: nobody lags yet. */
  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { clock, slowConsumerBytes } = this.#options;
    clock.setTimeout(() => {
      this.#isLooking = false;
      if ((this.#stream?.bufferedAmount ?? 0) > slowConsumerBytes) this.cutSlow();
    }, 0);
  }

  #end(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#expiry.stop();
    this.#options.hub.unregister(this);
    this.#options.onEnd(this);
    stream.close();
  }
}
