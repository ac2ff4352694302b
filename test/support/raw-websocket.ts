import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { within } from "./deadline.ts";

/** What ended the connection. */
export interface Ending {
  /** Code and reason of the close frame; undefined when the connection broke off without one. */
  readonly code: number | undefined;
  readonly reason: string;
}

/** A WebSocket (RFC 6455) over TLS that can stop reading, which no ready-made client can. */
export class RawWebSocket {
  /** Status line and headers of the answer to the handshake. */
  head = "";
  /** Text frames in the order received. */
  readonly texts: string[] = [];
  /** Binary frames in the order received. */
  readonly binaries: Buffer[] = [];
  /** Payloads of the pings received, none of which is answered by itself. */
  readonly pings: Buffer[] = [];
  readonly ended: Promise<Ending>;
  readonly #socket: TLSSocket;
  readonly #end: (ending: Ending) => void;
  #bytes: Buffer = Buffer.alloc(0);
  #arrived = Promise.withResolvers<void>();

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** Connects and waits until the server has switched protocols. */
  static async open(url: string, ca: string): Promise<RawWebSocket> {
    const { hostname, port, host, pathname, search } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), ca });
    await within(once(socket, "secureConnect"), "TLS handshake");
    socket.write(
      [
        `GET ${pathname}${search} HTTP/1.1`,
        `Host: ${host}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
        "",
        "",
      ].join("\r\n"),
    );
    const client = new RawWebSocket(socket);
    await within(client.#switched(), "WebSocket handshake");
    return client;
  }

  /** Sends one masked text frame of less than 64 KiB. */
  send(text: string): void {
    this.sendFrame(1, Buffer.from(text));
  }

  /** Sends one masked frame of that opcode (RFC 6455 section 5.2) and less than 64 KiB. */
  sendFrame(opcode: number, content: Uint8Array): void {
    const payload = Buffer.from(content);
    const extended = payload.length > 125;
    const head = Buffer.alloc(extended ? 4 : 2);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (extended ? 126 : payload.length);
    if (extended) head.writeUInt16BE(payload.length, 2);
    const mask = randomBytes(4);
    for (let index = 0; index < payload.length; index++) {
      payload[index] = (payload[index] ?? 0) ^ (mask[index % 4] ?? 0);
    }
    this.write(Buffer.concat([head, mask, payload]));
  }

  /** Sends bytes as they are, frames or not. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Resolves with the text frame at that place. */
  async text(index: number): Promise<string> {
    return this.#at(this.texts, index, "text frame");
  }

  /** Resolves with the binary frame at that place. */
  async binary(index: number): Promise<Buffer> {
    return this.#at(this.binaries, index, "binary frame");
  }

  /** Resolves with the payload of the ping at that place. */
  async ping(index: number): Promise<Buffer> {
    return this.#at(this.pings, index, "ping");
  }

  /** Reads nothing more, as a client does that is suspended. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #at<T>(frames: readonly T[], index: number, what: string): Promise<T> {
    for (;;) {
      const frame = frames[index];
      if (frame !== undefined) return frame;
      await within(this.#arrived.promise, `${what} ${index}`);
    }
  }

  #switched(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let isSwitched = false;
    this.#socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      if (!isSwitched) {
        const end = this.#bytes.indexOf("\r\n\r\n");
        if (end < 0) return;
        if (!this.#bytes.toString("latin1").startsWith("HTTP/1.1 101")) {
          reject(new Error(this.#bytes.toString("latin1")));
          return;
        }
        isSwitched = true;
        this.head = this.#bytes.toString("latin1", 0, end);
        this.#bytes = this.#bytes.subarray(end + 4);
        resolve();
      }
      this.#readFrames();
    });
    this.#socket.on("error", reject);
    this.#socket.on("close", () => this.#end({ code: undefined, reason: "" }));
    return promise;
  }

  #readFrames(): void {
    for (let frame = this.#takeFrame(); frame !== undefined; frame = this.#takeFrame()) {
      const { opcode, payload } = frame;
      if (opcode === 1) this.texts.push(payload.toString());
      if (opcode === 2) this.binaries.push(Buffer.from(payload));
      if (opcode === 9) this.pings.push(Buffer.from(payload));
      if (opcode !== 8) continue;
      const code = payload.length < 2 ? undefined : payload.readUInt16BE(0);
      this.#end({ code, reason: payload.subarray(2).toString() });
    }
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  /** Frames of a server are not masked (RFC 6455 section 5.1). */
  #takeFrame(): { readonly opcode: number; readonly payload: Buffer } | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const short = (bytes[1] ?? 0) & 0x7f;
    const headLength = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < headLength) return undefined;
    let length = short;
    if (short === 126) length = bytes.readUInt16BE(2);
    if (short === 127) length = Number(bytes.readBigUInt64BE(2));
    if (bytes.length < headLength + length) return undefined;
    this.#bytes = bytes.subarray(headLength + length);
    const payload = bytes.subarray(headLength, headLength + length);
    return { opcode: (bytes[0] ?? 0) & 0x0f, payload };
  }
}
