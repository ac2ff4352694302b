/** Run by Deno: holds sessions of version 2 over WebTransport, and does what each line of its input says. */

import process from "node:process";
import { createInterface } from "node:readline";
import { framed, MessageStream, messagesIn, type Way } from "../webtransport-framing.ts";
import type { News, Order } from "./webtransport-orders.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Writer = WritableStreamDefaultWriter<Uint8Array>;

function tell(news: News): void {
  console.log(JSON.stringify(news));
}

class Session {
  readonly #number: number;
  #transport: WebTransport | undefined;
  #stream: Writer | undefined;
  #datagrams: Writer | undefined;

  constructor(number: number) {
    this.#number = number;
  }

  async open({ url, hash, openMs }: Extract<Order, { order: "open" }>): Promise<void> {
    const value = Uint8Array.fromBase64(hash);
    const transport = new WebTransport(url, {
      serverCertificateHashes: [{ algorithm: "sha-256", value }],
    });
    this.#transport = transport;
    transport.closed.then(
      () => this.#ended("closed"),
      (error) => this.#ended(String(error)),
    );
    const timer = setTimeout(() => this.#ended("it did not open in time"), openMs);
    try {
      await transport.ready;
      const { readable, writable } = await transport.createBidirectionalStream();
      this.#stream = writable.getWriter();
      this.#datagrams = transport.datagrams.writable.getWriter();
      if (!sessions.has(this.#number)) return this.close();
      tell({ news: "opened", session: this.#number });
      void this.#readStream(readable);
      void this.#readDatagrams(transport);
    } catch (error) {
      this.#ended(String(error));
    } finally {
      clearTimeout(timer);
    }
  }

  send(way: "stream" | "datagram", bytes: Bytes): void {
    const written =
      way === "stream" ? this.#stream?.write(framed(bytes)) : this.#datagrams?.write(bytes);
    // The end of the session is told by itself.
    written?.catch(() => {});
  }

  close(): void {
    try {
      this.#transport?.close({ closeCode: 0, reason: "" });
    } catch {
      // It is not open yet; it is closed as soon as it is.
    }
  }

  #received(messages: readonly (readonly [Way, Uint8Array])[]): void {
    if (messages.length === 0) return;
    tell({
      news: "messages",
      session: this.#number,
      messages: messages.map(([way, bytes]) => [way, bytes.toBase64()]),
    });
  }

  async #readStream(readable: ReadableStream<Uint8Array>): Promise<void> {
    const messages = new MessageStream();
    try {
      for await (const piece of readable) {
        this.#received(messages.push(piece).map((bytes) => ["stream", bytes]));
      }
    } catch {
      // So does what ends with the session.
      return;
    }
    tell({ news: "finished", session: this.#number });
    await this.#stream?.close().catch(() => {});
  }

  async #readDatagrams({ datagrams }: WebTransport): Promise<void> {
    try {
      for await (const datagram of datagrams.readable) this.#received(messagesIn(datagram));
    } catch {
      // The session has ended.
    }
  }

  #ended(why: string): void {
    if (sessions.delete(this.#number)) tell({ news: "ended", session: this.#number, why });
  }
}

/** Kept here, since whatever is collected ends. */
const sessions = new Map<number, Session>();

function carryOut(order: Order): void {
  if (order.order === "open") {
    const session = new Session(order.session);
    sessions.set(order.session, session);
    void session.open(order);
    return;
  }
  const session = sessions.get(order.session);
  if (order.order === "close") session?.close();
  else session?.send(order.way, Uint8Array.fromBase64(order.bytes));
}

/** What the last words of the sessions may take. */
const LAST_WORDS_MS = 100;

createInterface({ input: process.stdin })
  .on("line", (line) => carryOut(JSON.parse(line)))
  .on("close", () => {
    for (const session of sessions.values()) session.close();
    setTimeout(() => process.exit(0), LAST_WORDS_MS);
  });
