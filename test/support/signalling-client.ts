import { decode, encode } from "notepack.io";
import { within } from "./deadline.ts";
import { Inbox } from "./inbox.ts";
import type { Ending } from "./raw-websocket.ts";

/** A message of the signalling protocol; bytes are `bin`. */
export interface Signal {
  readonly t?: string;
  readonly op?: string;
  readonly c?: string;
  readonly p?: string;
  readonly pl?: Uint8Array;
  readonly mesh?: string;
  readonly id?: number;
  readonly code?: number;
  readonly msg?: string;
  readonly ts?: number;
  readonly ms?: readonly { p: string; pl?: Uint8Array; since: number }[];
  readonly more?: boolean;
  readonly tk?: string;
  readonly ep?: string;
  readonly off?: number;
  readonly rec?: boolean;
  readonly last?: number;
}

export interface SignallingOptions {
  /** What peers know the client by. */
  readonly id?: string;
  /** The version, where the client asks for one. */
  readonly v?: string;
  /** Takes the place of the query that `id` and `v` make. */
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The address of the signalling protocol on a gateway, as a WebSocket client writes it. */
export function signallingUrl(origin: string, options: SignallingOptions): string {
  const { id = "peer", v, query } = options;
  const usual = { publickey: "any", id, ...(v === undefined ? {} : { v }) };
  return `${origin.replace(/^http/, "ws")}/v1?${new URLSearchParams(query ?? usual)}`;
}

/** MessagePack of a value, with keys in the order of the object, by another implementation. */
export function pack(value: unknown): Buffer {
  return encode(value);
}

/** The value in MessagePack, by another implementation; bytes become a `Buffer`. */
export function unpack(bytes: Uint8Array): unknown {
  return decode(Buffer.from(bytes));
}

/** The payload of an event, as pages write it. */
export function eventPayload(event: string, data: string): Buffer {
  return pack({ event, data });
}

/** One client of the signalling protocol over a WebSocket. */
export class SignallingClient implements Disposable {
  readonly ended: Promise<Ending>;
  readonly #socket: WebSocket;
  readonly #inbox = new Inbox<Buffer>();
  readonly #opened = Promise.withResolvers<void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const ended = Promise.withResolvers<Ending>();
    this.ended = ended.promise;
    this.#opened.promise.catch(() => {});
    socket.addEventListener("open", () => this.#opened.resolve());
    socket.addEventListener("message", ({ data }) => {
      if (data instanceof ArrayBuffer) this.#inbox.push(Buffer.from(data));
      else this.#inbox.end(`a message was no bytes: ${data}`);
    });
    socket.addEventListener("error", () => {});
    socket.addEventListener("close", ({ code, reason }) => {
      const text = `the signalling connection was closed with ${code} ${reason}`;
      this.#opened.reject(new Error(text));
      this.#inbox.end(text);
      ended.resolve({ code, reason });
    });
  }

  /** Connects; rejects when the handshake is refused. */
  static async open(
    server: { readonly subscriberUrl: string; readonly ca: string },
    options: SignallingOptions = {},
  ): Promise<SignallingClient> {
    const { headers = {} } = options;
    const url = signallingUrl(server.subscriberUrl, options);
    const client = new SignallingClient(new WebSocket(url, { headers, tls: { ca: server.ca } }));
    await within(client.#opened.promise, "signalling handshake");
    return client;
  }

  send(signal: Signal): void {
    this.sendBytes(pack(signal));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.send(new Uint8Array(bytes));
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** The next message as it came. */
  nextBytes(ms?: number): Promise<Buffer> {
    return this.#inbox.next("signal", ms);
  }

  async next(ms?: number): Promise<Signal> {
    const signal: Signal = decode(await this.nextBytes(ms));
    return signal;
  }

  /** The next message with that op, passing over others. */
  async nextOf(op: string): Promise<Signal> {
    for (;;) {
      const signal = await this.next();
      if (signal.op === op) return signal;
    }
  }

  /** Calls back with every message from the first that is not yet read. */
  readWith(reader: (signal: Signal) => void): void {
    this.#inbox.readWith((bytes) => reader(decode(bytes)));
  }

  /** What has arrived and is not yet read. */
  unread(): Signal[] {
    return this.#inbox.takeAll().map((bytes) => decode(bytes));
  }

  /** Becomes a member and reads what only it is told of that. */
  async join(channel: string, state?: object, version: 1 | 2 = 1): Promise<void> {
    const pl = state === undefined ? {} : { pl: pack(state) };
    this.send({ t: "control", op: "channel_join", c: channel, ...pl });
    const { op, c } = await this.next();
    if (op !== "channel_join" || c !== channel) throw new Error(`not joined but ${op} of ${c}`);
    if (version === 1) return;
    const page = await this.next();
    if (page.op !== "snapshot" || page.more === true) throw new Error(`no snapshot but ${page.op}`);
  }

  /** Says goodbye with a close frame. */
  close(code = 1000): void {
    this.#socket.close(code);
  }

  /** Breaks the connection off. */
  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}
