import { within } from "./deadline.ts";
import { type EngineHttp, type Handshake, parseOpenPacket, separator } from "./engine-http.ts";
import { Inbox } from "./inbox.ts";

/** One Engine.IO packet: text with its type digit, or the bytes of a binary message. */
export type Packet = string | Uint8Array;

/** An open Engine.IO session over either transport, which keeps itself alive. */
export interface EngineLink extends Disposable {
  readonly handshake: Handshake;
  /** Resolves once the server has ended the session. */
  readonly closed: Promise<void>;
  /** Sends packets in order; over polling they share one payload. */
  send(...packets: Packet[]): Promise<void>;
  /** The next packet that is neither a ping nor a no-op. */
  next(): Promise<Packet>;
}

export type TransportName = "polling" | "websocket";

export function openLink(http: EngineHttp, transport: TransportName): Promise<EngineLink> {
  return transport === "polling" ? PollingLink.open(http) : WebSocketLink.handshake(http);
}

/** A WebSocket with everything that it received. */
export class WebSocketLink implements EngineLink {
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #inbox = new Inbox<Packet>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #answersPings: boolean;
  #handshake: Handshake | undefined;

  /** `answersPings` false: pings stay unanswered and `next` gives them to the test. */
  constructor(target: string | WebSocket, answersPings = true) {
    this.#answersPings = answersPings;
    this.#socket = typeof target === "string" ? new WebSocket(target) : target;
    this.#socket.binaryType = "arraybuffer";
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.#opened.promise.catch(() => {});
    this.#socket.addEventListener("open", () => this.#opened.resolve());
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("error", () => {});
    this.#socket.addEventListener("close", ({ code }) => {
      const reason = `the WebSocket was closed with ${code}`;
      this.#opened.reject(new Error(reason));
      this.#inbox.end(reason);
      closed.resolve();
    });
  }

  /** Opens a session of its own. */
  static async handshake(http: EngineHttp, answersPings = true): Promise<WebSocketLink> {
    const socket = http.webSocket({ EIO: "4", transport: "websocket" });
    const link = new WebSocketLink(socket, answersPings);
    const packet = await link.#inbox.next("open packet");
    if (typeof packet !== "string") throw new Error("the first frame was binary");
    link.#handshake = parseOpenPacket(packet);
    return link;
  }

  /** Opens a second connection for the session `sid`, the first step of an upgrade. */
  static async attach(http: EngineHttp, sid: string): Promise<WebSocketLink> {
    const link = new WebSocketLink(http.webSocket({ EIO: "4", transport: "websocket", sid }));
    await link.opened();
    return link;
  }

  /** Fails when the server refuses the connection. */
  opened(): Promise<void> {
    return within(this.#opened.promise, "WebSocket connection");
  }

  get handshake(): Handshake {
    if (this.#handshake === undefined) throw new Error("this WebSocket belongs to an upgrade");
    return this.#handshake;
  }

  async send(...packets: Packet[]): Promise<void> {
    for (const packet of packets) {
      this.#socket.send(typeof packet === "string" ? packet : new Uint8Array(packet));
    }
  }

  next(): Promise<Packet> {
    return this.#inbox.next("WebSocket frame");
  }

  /** What has arrived and is not yet read. */
  unread(): Packet[] {
    return this.#inbox.takeAll();
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }

  #receive(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      this.#inbox.push(new Uint8Array(data));
    } else if (typeof data === "string") {
      if (data === "2" && this.#answersPings) this.#socket.send("3");
      else if (data !== "6") this.#inbox.push(data);
    }
  }
}

/** A long-polling session with a GET request always under way, as a client has it. */
export class PollingLink implements EngineLink {
  readonly closed: Promise<void>;
  readonly #inbox = new Inbox<Packet>();
  readonly #abort = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  #posted: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly http: EngineHttp,
    readonly handshake: Handshake,
  ) {
    this.closed = this.#closed.promise;
  }

  static async open(http: EngineHttp): Promise<PollingLink> {
    const link = new PollingLink(http, await http.handshake());
    link.#pollOn().catch((error: unknown) => link.#inbox.end(`polling failed: ${error}`));
    return link;
  }

  /** A refused request is no error here: the session's end shows in `closed`. */
  send(...packets: Packet[]): Promise<void> {
    const body = packets.map(encode).join(separator);
    // The protocol forbids two POST requests at a time, so each waits for the one before.
    const sent = this.#posted.then(async () => {
      await this.http.post(this.handshake.sid, body).catch(() => {});
    });
    this.#posted = sent;
    return sent;
  }

  next(): Promise<Packet> {
    return this.#inbox.next("packet in a poll");
  }

  [Symbol.dispose](): void {
    this.#abort.abort();
  }

  async #pollOn(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const answer = await this.http.poll(this.handshake.sid, { signal: this.#abort.signal });
      if (answer.status !== 200) {
        this.#inbox.end(`the poll was refused with ${answer.status}`);
        if (answer.status === 400) this.#closed.resolve();
        return;
      }
      for (const packet of answer.body.split(separator)) this.#receive(packet);
    }
  }

  #receive(packet: string): void {
    if (packet === "2") void this.send("3");
    else if (packet.startsWith("b")) this.#inbox.push(decode(packet));
    else if (packet !== "6" && packet !== "1") this.#inbox.push(packet);
  }
}

function encode(packet: Packet): string {
  return typeof packet === "string" ? packet : `b${packet.toBase64()}`;
}

function decode(packet: string): Uint8Array {
  return Uint8Array.fromBase64(packet.slice(1));
}
