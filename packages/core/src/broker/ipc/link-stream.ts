import type { ByteStream, ByteStreamHandler, Log } from "../../ports.ts";
import { FrameReader } from "./frames.ts";
import type { Link } from "./link.ts";
import { Reader } from "./reader.ts";

export interface LinkStreamOptions {
  readonly log: Log;
  /** The first frame that came; answers the link that goes on over the stream, if any does. */
  greeted(greeting: Reader, stream: ByteStream): Link | undefined;
  /** What came is not what a peer may send; the stream is ended. */
  faulty(link: Link | undefined): void;
  /** Called once, after the link, if there is one, has been told. */
  closed(link: Link | undefined): void;
}

/** A stream that carries a link, after one frame from each side to say which. */
export class LinkStream implements ByteStreamHandler {
  readonly #options: LinkStreamOptions;
  readonly #frames = new FrameReader((bytes, start, end) => this.#take(bytes, start, end));
  #stream: ByteStream | undefined;
  #link: Link | undefined;
  #isClosed = false;

  constructor(options: LinkStreamOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The stream itself, and the frame to send at once. */
  opened(stream: ByteStream, greeting: Uint8Array | undefined): void {
    this.#stream = stream;
    if (greeting !== undefined) greet(stream, greeting);
  }

  data(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#frames.push(bytes);
    } catch (error) {
      this.#options.log.error({ err: error }, "a link of the broker is ended");
      this.end();
      this.#options.faulty(this.#link);
    }
  }

  drained(): void {
    if (this.#stream !== undefined) this.#link?.drained(this.#stream);
  }

  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#stream !== undefined) this.#link?.detach(this.#stream);
    this.#options.closed(this.#link);
  }

  /** Ends the stream; nothing more is taken from it. */
  end(): void {
    this.#stream?.end();
    this.closed();
  }

  #take(bytes: Uint8Array, start: number, end: number): boolean {
    const stream = this.#stream;
    if (this.#isClosed || stream === undefined) return false;
    if (this.#link === undefined) {
      this.#link = this.#options.greeted(new Reader().reset(bytes, start, end), stream);
      if (this.#link === undefined) this.end();
    } else {
      this.#link.frame(bytes, start, end);
    }
    return !this.#isClosed;
  }
}

/** A stream that has just been opened takes as little as this at once, or is of no use. */
export function greet(stream: ByteStream, greeting: Uint8Array): void {
  if (stream.write(greeting) < greeting.length) stream.end();
}
