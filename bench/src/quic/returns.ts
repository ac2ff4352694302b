import { subscription } from "../load/signals.ts";
import { Tally } from "../storm/tally.ts";
import type { ReturnCommand, Returned } from "./protocol.ts";

const ACK = "\xa3ack";
const ERROR = "\xa5error";
/** What the longest of these may need to be found, where a piece of the stream ends within it. */
const KEPT_CHARACTERS = 16;

/** Sessions of clients that come back at once and have missed something. */
export class Returns {
  readonly #command: ReturnCommand;
  readonly #sessions: ReturningSession[] = [];

  constructor(command: ReturnCommand) {
    this.#command = command;
  }

  /** Opens them, a bounded number at a time, and waits for the last message of each, but not for ever. */
  async complete(): Promise<Returned> {
    const { paths, window, doneMs } = this.#command;
    const refusals: string[] = [];
    const queue = paths.keys();
    const work = async (): Promise<void> => {
      // One iterator for all, so that each takes the next.
      for (const index of queue) {
        const session = new ReturningSession(index, this.#command);
        this.#sessions.push(session);
        await session.open().catch((error: unknown) => refusals.push(`webtransport: ${error}`));
      }
    };
    await Promise.all(Array.from({ length: window }, work));
    const tallies = this.#sessions.map(({ tally }) => tally);
    const late = new Promise<void>((resolve) => setTimeout(resolve, doneMs));
    await Promise.race([Promise.all(tallies.map(({ complete }) => complete)), late]);
    return {
      refusals,
      lost: tallies.reduce((sum, { lost }) => sum + lost, 0),
      doubled: tallies.reduce((sum, { doubled }) => sum + doubled, 0),
    };
  }

  leave(): void {
    for (const session of this.#sessions) session.close();
  }
}

/** One that subscribes to a channel, from a position on where there is one. */
class ReturningSession {
  readonly tally: Tally;
  readonly #index: number;
  readonly #command: ReturnCommand;
  readonly #subscribed = Promise.withResolvers<void>();
  #transport: WebTransport | undefined;
  /** Kept, since the stream of a writer that is collected ends. */
  #stream: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #isSubscribed = false;
  /** What has come and not been read, as latin1. */
  #rest = "";

  constructor(index: number, command: ReturnCommand) {
    this.#index = index;
    this.#command = command;
    this.tally = new Tally(command.expected);
  }

  /** Resolves when the subscription is acknowledged. */
  async open(): Promise<void> {
    const { url, hash, paths, channels, since, timeoutMs } = this.#command;
    const value = Uint8Array.from(atob(hash), (character) => character.charCodeAt(0));
    const transport = new WebTransport(`${url}${paths[this.#index]}`, {
      serverCertificateHashes: [{ algorithm: "sha-256", value }],
    });
    this.#transport = transport;
    const ended = (why: unknown): void => this.#subscribed.reject(new Error(String(why)));
    transport.closed.then(() => ended("closed"), ended);
    // It may be refused before anybody waits for it.
    this.#subscribed.promise.catch(() => undefined);
    const timer = setTimeout(() => ended("not subscribed in time"), timeoutMs);
    try {
      await transport.ready;
      const { readable, writable } = await transport.createBidirectionalStream();
      this.#stream = writable.getWriter();
      void this.#read(readable);
      const message = subscription(channels[this.#index] ?? "", since);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(message.length);
      await this.#stream.write(Buffer.concat([length, message]));
      await this.#subscribed.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    try {
      this.#transport?.close({ closeCode: 0, reason: "" });
    } catch {
      // It never opened.
    }
  }

  async #read(readable: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const piece of readable) this.#take(Buffer.from(piece).toString("latin1"));
    } catch (error) {
      this.#subscribed.reject(error);
    }
  }

  #take(piece: string): void {
    this.#rest += piece;
    if (!this.#isSubscribed) {
      if (this.#rest.includes(ERROR)) this.#subscribed.reject(new Error(this.#rest));
      if (!this.#rest.includes(ACK)) return;
      this.#isSubscribed = true;
      this.#subscribed.resolve();
    }
    // A number that a piece ends with may go on in the next.
    const end = this.#rest.lastIndexOf(",") + 1;
    this.tally.read(this.#rest.slice(0, end));
    this.#rest = this.#rest.slice(Math.max(end, this.#rest.length - KEPT_CHARACTERS));
  }
}
