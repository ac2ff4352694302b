import { randomBytes } from "node:crypto";
import type { Socket } from "bun";
import type { SubscriberDialect, SubscriberSession } from "../peers/peer.ts";
import { clientFrame, FrameReader, type FrameSink, OPCODE } from "./frames.ts";

const END_OF_HEAD = "\r\n\r\n";

/** What the owner of connections learns of them. */
export interface ConnectionObserver {
  /** `count` publications came in one message, the bytes `buffer[start, end)`. */
  received(count: number, buffer: Buffer, start: number, end: number): void;
  /** A connection that had joined was ended by the server. */
  closed(): void;
}

/** One subscriber over a raw TLS socket: upgrade, frames, and the dialect of the peer. */
export class Connection implements FrameSink, SubscriberSession {
  #socket: Socket<Connection> | undefined;
  readonly #dialect: SubscriberDialect;
  readonly #observer: ConnectionObserver;
  readonly #reader = new FrameReader(this);
  readonly #ready = Promise.withResolvers<void>();
  #head: string | undefined = "";
  /** What the socket has not taken yet; more than a frame only towards a server that cannot keep up. */
  #backlog: Buffer | undefined;
  joined = false;

  private constructor(dialect: SubscriberDialect, observer: ConnectionObserver) {
    this.#dialect = dialect;
    this.#observer = observer;
  }

  /** Resolves once publications will be delivered. */
  static async open(
    url: URL,
    dialect: SubscriberDialect,
    observer: ConnectionObserver,
    timeoutMs: number,
  ): Promise<Connection> {
    const connection = new Connection(dialect, observer);
    const timer = setTimeout(
      () => connection.#fail(new Error("subscriber did not join in time")),
      timeoutMs,
    );
    const socket = Bun.connect<Connection>({
      hostname: url.hostname,
      port: Number(url.port),
      // The servers' certificates are self-made for this run.
      tls: { rejectUnauthorized: false },
      data: connection,
      socket: {
        // Without a `handshake` handler it is called after the TLS handshake.
        open: (opened) => {
          connection.#socket = opened;
          connection.#upgrade(url, dialect.path);
        },
        data: (from, chunk) => from.data.#data(chunk),
        drain: (to) => to.data.#drain(),
        close: (from) => from.data.#closed(),
        error: (from, error) => from.data.#fail(error),
      },
    });
    try {
      await Promise.all([socket, connection.#ready.promise]);
    } finally {
      clearTimeout(timer);
    }
    return connection;
  }

  /** Whether a message would leave at once. */
  get isWritable(): boolean {
    return this.joined && this.#backlog === undefined;
  }

  send(message: string | Uint8Array): void {
    const frame =
      typeof message === "string"
        ? clientFrame(OPCODE.text, Buffer.from(message))
        : clientFrame(OPCODE.binary, message);
    this.#write(frame);
  }

  close(): void {
    this.#socket?.end();
  }

  join(): void {
    this.joined = true;
    this.#ready.resolve();
  }

  frame(opcode: number, buffer: Buffer, start: number, end: number): void {
    if (opcode === OPCODE.text || opcode === OPCODE.binary) {
      const count = this.#dialect.received(this, buffer, start, end);
      if (count > 0) this.#observer.received(count, buffer, start, end);
    } else if (opcode === OPCODE.ping) {
      this.#write(clientFrame(OPCODE.pong, buffer.subarray(start, end)));
    } else if (opcode === OPCODE.close) {
      this.close();
    }
  }

  #upgrade(url: URL, path: string): void {
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${url.host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      "Sec-WebSocket-Version: 13",
    ];
    this.#write(Buffer.from(lines.join("\r\n") + END_OF_HEAD));
  }

  #data(chunk: Buffer): void {
    try {
      if (this.#head === undefined) this.#reader.push(chunk);
      else this.#readHead(this.#head + chunk.toString("latin1"));
    } catch (error) {
      this.#fail(error);
    }
  }

  #readHead(text: string): void {
    this.#head = text;
    const end = text.indexOf(END_OF_HEAD);
    if (end < 0) return;
    const status = text.slice(0, text.indexOf("\r\n"));
    if (!status.startsWith("HTTP/1.1 101")) throw new Error(`upgrade refused: ${status}`);
    this.#head = undefined;
    this.#dialect.opened(this);
    const rest = text.slice(end + END_OF_HEAD.length);
    if (rest !== "") this.#reader.push(Buffer.from(rest, "latin1"));
  }

  #write(bytes: Buffer): void {
    const waiting = this.#backlog;
    if (waiting !== undefined) {
      this.#backlog = Buffer.concat([waiting, bytes]);
      return;
    }
    const written = this.#socket?.write(bytes) ?? -1;
    if (written < 0) this.#fail(new Error("the socket is closed"));
    else if (written < bytes.length) this.#backlog = bytes.subarray(written);
  }

  #drain(): void {
    const waiting = this.#backlog;
    if (waiting === undefined) return;
    this.#backlog = undefined;
    this.#write(waiting);
  }

  #fail(error: unknown): void {
    this.#ready.reject(error);
    this.#socket?.terminate();
  }

  #closed(): void {
    this.#ready.reject(new Error("closed before it joined"));
    if (this.joined) this.#observer.closed();
    this.joined = false;
  }
}
