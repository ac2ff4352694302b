import type { SessionStream } from "./early-streams.ts";
import { ControlStream } from "./http3/control-stream.ts";
import { Http3Error } from "./http3/errors.ts";
import { StreamType } from "./http3/frames.ts";
import type { PeerSettings } from "./http3/settings.ts";
import { StreamStart } from "./http3/stream-start.ts";
import { DecoderInstructions, readEncoderInstructions } from "./qpack/instructions.ts";
import type { QuicReceiveStream } from "./quic.ts";

/** Bytes that are read at once: beginnings and settings are short, and each stream has a buffer. */
const READ_BYTES = 64;

/** What a connection hears from the client's unidirectional streams. What they throw is passed on. */
export interface UnidirectionalHandler {
  /** Called once. */
  settings(settings: PeerSettings): void;
  sessionStream(session: number, stream: SessionStream): void;
}

/** The streams on which only the client writes: RFC 9114, section 6.2, and RFC 9204, section 4.2. */
export class UnidirectionalStreams {
  readonly #handler: UnidirectionalHandler;
  readonly #critical = new Set<number>();

  constructor(handler: UnidirectionalHandler) {
    this.#handler = handler;
  }

  /**
   * Reads a stream to its end, or to where it turns out to belong to a session.
   *
   * @throws Http3Error
   */
  async serve(stream: QuicReceiveStream): Promise<void> {
    const start = new StreamStart();
    // One function for all of it, as each session always waits here for one to three streams.
    let take: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined;
    let bytes = await stream.read(new Uint8Array(READ_BYTES));
    while (typeof bytes !== "string") {
      if (take === undefined) {
        const rest = start.push(bytes);
        if (rest !== undefined) {
          take = this.#reader(stream, start, rest);
          if (take === undefined) return;
          take(rest);
        }
      } else {
        take(bytes);
      }
      bytes = await stream.read(new Uint8Array(bytes.buffer));
    }
    // A stream that ends before its type is known is nothing: RFC 9114, section 6.2.
    if (take === undefined) return;
    throw new Http3Error("H3_CLOSED_CRITICAL_STREAM", `the stream of type ${start.type} has ended`);
  }

  /** What reads a stream that has to live as long as the connection; undefined for all others. */
  #reader(
    stream: QuicReceiveStream,
    { type, session }: StreamStart,
    rest: Uint8Array<ArrayBuffer>,
  ): ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined {
    switch (type) {
      case StreamType.WEBTRANSPORT:
        this.#handler.sessionStream(session, { receive: stream, send: undefined, early: rest });
        return undefined;
      case StreamType.CONTROL: {
        this.#claim(type);
        const control = new ControlStream((settings) => this.#handler.settings(settings));
        return (bytes) => control.push(bytes);
      }
      case StreamType.QPACK_ENCODER:
        this.#claim(type);
        return readEncoderInstructions;
      case StreamType.QPACK_DECODER: {
        this.#claim(type);
        const instructions = new DecoderInstructions();
        return (bytes) => instructions.push(bytes);
      }
      case StreamType.PUSH:
        throw new Http3Error("H3_STREAM_CREATION_ERROR", "clients do not push");
      default:
        stream.cancel();
        return undefined;
    }
  }

  #claim(type: number): void {
    if (this.#critical.has(type)) {
      throw new Http3Error("H3_STREAM_CREATION_ERROR", `a second stream of type ${type}`);
    }
    this.#critical.add(type);
  }
}
