/** A page that uses WebTransport itself; the test evaluates calls of `user`. */

/** How a session ended: with code and reason, or not. */
export type SessionEnd = WebTransportCloseInfo | string;

interface WebTransportCloseInfo {
  readonly closeCode: number;
  readonly reason: string;
}

/** How a datagram with several messages begins. */
const SEVERAL = 0xc1;

class WebTransportUser {
  #session: WebTransport | undefined;
  #datagrams: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #stream: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #received: [way: string, bytes: number[]][] = [];

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
    const frame = new Uint8Array(4 + bytes.length);
    new DataView(frame.buffer).setUint32(0, bytes.length);
    frame.set(bytes, 4);
    await this.#stream?.write(frame);
  }

  /** What has come since the last call. */
  take(): [way: string, bytes: number[]][] {
    return this.#received.splice(0);
  }

  async #readDatagrams({ datagrams }: WebTransport): Promise<void> {
    const reader = datagrams.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        this.#takeDatagram(value);
      }
    } catch {
      // The session has ended.
    }
  }

  #takeDatagram(datagram: Uint8Array): void {
    if (datagram[0] !== SEVERAL) {
      this.#received.push(["datagram", [...datagram]]);
      return;
    }
    const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
    for (let at = 1; at < datagram.length; ) {
      const end = at + 2 + view.getUint16(at);
      if (end > datagram.length) throw new RangeError("a message ends behind its datagram");
      this.#received.push(["batch", [...datagram.subarray(at + 2, end)]]);
      at = end;
    }
  }

  async #readStream(readable: ReadableStream<Uint8Array>): Promise<void> {
    const reader = readable.getReader();
    let bytes = new Uint8Array(0);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          await this.#stream?.close();
          return;
        }
        const joined = new Uint8Array(bytes.length + value.length);
        joined.set(bytes);
        joined.set(value, bytes.length);
        bytes = this.#takeMessages(joined);
      }
    } catch {
      // The session has ended.
    }
  }

  /** Answers what is left. */
  #takeMessages(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    let rest = bytes;
    while (rest.length >= 4) {
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      if (rest.length < 4 + length) break;
      this.#received.push(["stream", [...rest.subarray(4, 4 + length)]]);
      rest = rest.subarray(4 + length);
    }
    return rest;
  }
}

export type { WebTransportUser };

Object.assign(globalThis, { user: new WebTransportUser() });
