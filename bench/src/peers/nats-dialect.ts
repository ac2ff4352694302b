import { NatsReader, type NatsSink } from "./nats-reader.ts";
import type { SubscriberDialect, SubscriberSession } from "./peer.ts";

const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1"}\r\n';

/** A NATS client over a WebSocket; it has joined once the server has taken its subscription. */
export class NatsDialect implements SubscriberDialect, NatsSink {
  readonly path = "/";
  readonly #subject: string | undefined;
  readonly #answered: () => void;
  readonly #reader = new NatsReader(this);
  #session: SubscriberSession | undefined;
  #connected = false;

  /** Without a `subject` it only publishes; `answered` is called for the PONG to each later PING. */
  constructor(subject: string | undefined, answered: () => void = () => undefined) {
    this.#subject = subject;
    this.#answered = answered;
  }

  opened(session: SubscriberSession): void {
    this.#session = session;
  }

  received(_session: SubscriberSession, buffer: Buffer, start: number, end: number): number {
    return this.#reader.push(buffer.subarray(start, end));
  }

  /** The server speaks first, and may say it again later. */
  info(): void {
    if (this.#connected) return;
    this.#connected = true;
    const subscription = this.#subject === undefined ? "" : `SUB ${this.#subject} 1\r\n`;
    this.#send(`${CONNECT}${subscription}PING\r\n`);
  }

  ping(): void {
    this.#send("PONG\r\n");
  }

  pong(): void {
    if (this.#session?.joined === true) this.#answered();
    else this.#session?.join();
  }

  /** The server takes no text messages. */
  #send(text: string): void {
    this.#session?.send(Buffer.from(text));
  }
}

/** The protocol messages that publish each of `data`, and a PING behind them. */
export function natsPublications(subject: string, data: readonly string[]): Buffer {
  const parts = data.map((one) => `PUB ${subject} ${Buffer.byteLength(one)}\r\n${one}\r\n`);
  return Buffer.from(`${parts.join("")}PING\r\n`);
}
