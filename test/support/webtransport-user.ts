/** A page that uses WebTransport itself; the test evaluates calls of `user`. */

import { framed, MessageStream, messagesIn, SEVERAL, type Way } from "./webtransport-framing.ts";

/** How a session ended: with code and reason, or not. */
export type SessionEnd = WebTransportCloseInfo | string;

interface WebTransportCloseInfo {
  readonly closeCode: number;
  readonly reason: string;
}

class WebTransportUser {
  #session: WebTransport | undefined;
  #datagrams: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #stream: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #received: [way: Way, bytes: number[]][] = [];

  /** Opens a session, trusting the certificate with that hash, in base64. */
  async open(url: string, hash: string): Promise<void> {
    const value = Uint8Array.fromBase64(hash);
    const serverCertificateHashes = [{ algorithm: "sha-256", value }];
    const session = new WebTransport(url, { serverCertificateHashes });
    this.#session = session;
    session.closed.catch(() => {});
    await session.ready;
    this.#datagrams = session.datagrams.writable.getWriter();
    void this.#readDatagrams(session);
  }

  /** Opens the stream of a client of version 2. */
  async openStream(): Promise<void> {
    const stream = await this.#session?.createBidirectionalStream();
    if (stream === undefined) throw new Error("there is no session");
    this.#stream = stream.writable.getWriter();
    void this.#readStream(stream.readable);
  }

  /** Ends the session, where it has not ended. */
  close(): void {
    this.#session?.close({ closeCode: 0, reason: "" });
  }

  /** Settles with how the session ended. */
  async ended(): Promise<SessionEnd> {
    if (this.#session === undefined) return "there was none";
    try {
      const { closeCode, reason } = (await this.#session.closed) as WebTransportCloseInfo;
      return { closeCode, reason };
    } catch (error) {
      return String(error);
    }
  }

  async sendDatagram(bytes: readonly number[]): Promise<void> {
    await this.#datagrams?.write(Uint8Array.from(bytes));
  }

  /** Writes bytes to the stream as they are. */
  async write(bytes: readonly number[]): Promise<void> {
    await this.#stream?.write(Uint8Array.from(bytes));
  }

  /** Sends several messages in one datagram, with `rest` behind them. */
  async sendBatch(messages: readonly number[][], rest: readonly number[]): Promise<void> {
    const framed = messages.flatMap((bytes) => [bytes.length >> 8, bytes.length & 0xff, ...bytes]);
    await this.sendDatagram([SEVERAL, ...framed, ...rest]);
  }

  /** Sends a message on the stream, behind its length. */
  async send(bytes: readonly number[]): Promise<void> {
    await this.#stream?.write(framed(Uint8Array.from(bytes)));
  }

  /** What has come since the last call. */
  take(): [way: Way, bytes: number[]][] {
    return this.#received.splice(0);
  }

  async #readDatagrams({ datagrams }: WebTransport): Promise<void> {
    const reader = datagrams.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        for (const [way, bytes] of messagesIn(value)) this.#received.push([way, [...bytes]]);
      }
    } catch {
      // The session has ended.
    }
  }

  async #readStream(readable: ReadableStream<Uint8Array>): Promise<void> {
    const reader = readable.getReader();
    const messages = new MessageStream();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          await this.#stream?.close();
          return;
        }
        for (const bytes of messages.push(value)) this.#received.push(["stream", [...bytes]]);
      }
    } catch {
      // The session has ended.
    }
  }
}

export type { WebTransportUser };

Object.assign(globalThis, { user: new WebTransportUser() });
