const CR = 0x0d;
const LINE_END = 2;

/** What the server says that a client has to act on. */
export interface NatsSink {
  info(): void;
  ping(): void;
  pong(): void;
}

/**
 * Reads what a NATS server sends (https://docs.nats.io/reference/reference-protocols/nats-protocol).
 * A WebSocket message may hold several protocol messages and end within one.
 */
export class NatsReader {
  readonly #sink: NatsSink;
  #rest: Buffer | undefined;

  constructor(sink: NatsSink) {
    this.#sink = sink;
  }

  /** Answers how many publications were completed; throws on a refusal and on what NATS never says. */
  push(chunk: Buffer): number {
    const buffer = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let publications = 0;
    let at = 0;
    while (at < buffer.length) {
      const lineEnd = buffer.indexOf(CR, at);
      if (lineEnd < 0 || lineEnd + LINE_END > buffer.length) break;
      const line = buffer.toString("latin1", at, lineEnd);
      let end = lineEnd + LINE_END;
      if (line.startsWith("MSG ")) {
        end += payloadLength(line) + LINE_END;
        if (end > buffer.length) break;
        publications += 1;
      } else {
        this.#take(line);
      }
      at = end;
    }
    // The chunk is valid during the call only, so what is kept is copied.
    this.#rest = at === buffer.length ? undefined : Buffer.from(buffer.subarray(at));
    return publications;
  }

  #take(line: string): void {
    if (line === "PING") this.#sink.ping();
    else if (line === "PONG") this.#sink.pong();
    else if (line.startsWith("INFO ")) this.#sink.info();
    else if (line !== "+OK") throw new Error(`nats-server: ${line}`);
  }
}

/** The last field of `MSG <subject> <sid> [reply-to] <#bytes>`. */
function payloadLength(line: string): number {
  const length = Number(line.slice(line.lastIndexOf(" ") + 1));
  if (Number.isInteger(length) && length >= 0) return length;
  throw new Error(`nats-server: ${line}`);
}
