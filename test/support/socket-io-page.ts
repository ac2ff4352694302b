/** A page that uses the stock Socket.IO client; the test evaluates calls of `user`. */

import { io, type Socket } from "socket.io-client";

/** How a page connects. */
export interface SocketIoOptions {
  /** The transports that the client may use, in that order. */
  readonly transports: readonly string[];
  /** Of the certificate to trust for WebTransport, in base64. */
  readonly hash: string;
  readonly auth?: Readonly<Record<string, string>>;
  readonly tryAllTransports?: boolean;
}

/** Milliseconds that an acknowledgement may take. */
const ACK_MS = 5_000;

/** A value in the form in which a test can say and read it: bytes are a list of numbers. */
type Plain = string | number | null | { readonly bytes: readonly number[] } | object;

class SocketIoUser {
  #socket: Socket | undefined;
  /** Events and ends, in the order of their coming. */
  readonly #seen: Plain[][] = [];
  /** Pings that the gateway has sent. */
  pings = 0;

  /** Settles when the client is connected, or is refused. */
  async open(url: string, { hash, ...options }: SocketIoOptions): Promise<void> {
    const value = Uint8Array.fromBase64(hash);
    const serverCertificateHashes = [{ algorithm: "sha-256", value }];
    const socket = io(url, {
      forceNew: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      ...options,
      transports: [...options.transports],
      transportOptions: { webtransport: { serverCertificateHashes } },
    });
    this.#socket = socket;
    socket.io.on("ping", () => this.pings++);
    socket.onAny((name: string, ...args: unknown[]) => this.#seen.push([name, ...args.map(plain)]));
    socket.on("disconnect", (reason) => this.#seen.push(["disconnect", reason]));
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("connect_error", reject);
    });
    socket.on("connect", () => this.#seen.push(["connect", this.transport]));
  }

  /** What carries the connection now. */
  get transport(): string {
    return this.#socket?.io.engine.transport.name ?? "none";
  }

  /** Of the connection, as the gateway knows it. */
  get id(): string | undefined {
    return this.#socket?.id;
  }

  /** Emits an event, and gives what it is acknowledged with; `{ bytes }` is sent as bytes. */
  async ask(event: string, argument: Plain): Promise<Plain> {
    return plain(await this.#socket?.timeout(ACK_MS).emitWithAck(event, fromPlain(argument)));
  }

  /** The next thing that was seen, once there is one. */
  async next(): Promise<Plain[]> {
    for (;;) {
      const next = this.#seen.shift();
      if (next !== undefined) return next;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  disconnect(): void {
    this.#socket?.disconnect();
  }
}

function plain(value: unknown): Plain {
  if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value as Plain;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

function fromPlain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("bytes" in value) return Uint8Array.from(value.bytes as number[]);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fromPlain(each)]));
}

Object.assign(globalThis, { user: new SocketIoUser() });
