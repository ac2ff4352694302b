import { patience } from "./deadline.ts";

/** Separates the packets of one long-polling payload (Engine.IO protocol 4, packet encoding). */
export const separator = "\x1e";

/** The data of the `open` packet. */
export interface Handshake {
  readonly sid: string;
  readonly upgrades: readonly string[];
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly maxPayload: number;
}

/** A response whose body is already read. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}

/** Query parameters; `undefined` leaves one out. */
export type Query = Readonly<Record<string, string | undefined>>;

/** How to reach a server beside its address. */
export interface ClientSettings {
  /** The certificate to trust, PEM. */
  readonly ca?: string;
  /** Sent with every request and WebSocket handshake. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The HTTP long-polling requests of Engine.IO protocol 4, one by one. */
export class EngineHttp {
  readonly #endpoint: string;
  readonly #settings: ClientSettings;

  /**
   * `endpoint` is the origin and path, such as `http://127.0.0.1:3000/engine.io/`; a query in it
   * goes with every request.
   */
  constructor(endpoint: string, settings: ClientSettings = {}) {
    this.#endpoint = endpoint;
    this.#settings = settings;
  }

  url(query: Query): string {
    const url = new URL(this.#endpoint);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url.href;
  }

  webSocketUrl(query: Query): string {
    return this.url(query).replace(/^http/, "ws");
  }

  webSocket(query: Query): WebSocket {
    return new WebSocket(this.webSocketUrl(query), this.#options());
  }

  async request(query: Query, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url(query), {
      signal: AbortSignal.timeout(patience),
      ...this.#options(),
      ...init,
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  poll(sid: string, init: RequestInit = {}): Promise<Answer> {
    return this.request({ EIO: "4", transport: "polling", sid }, init);
  }

  post(sid: string, body: string | Uint8Array<ArrayBuffer>): Promise<Answer> {
    return this.request({ EIO: "4", transport: "polling", sid }, { method: "POST", body });
  }

  async handshake(): Promise<Handshake> {
    const answer = await this.request({ EIO: "4", transport: "polling" });
    if (answer.status !== 200) throw new Error(`handshake refused with ${answer.status}`);
    return parseOpenPacket(answer.body);
  }

  /**
   * Polls until `packets` have arrived beside heartbeats, which are answered, and no-ops.
   * Gives the packets as they stood in the payloads.
   */
  async receive(sid: string, packets: number): Promise<string[]> {
    const received: string[] = [];
    while (received.length < packets) {
      const answer = await this.poll(sid);
      if (answer.status !== 200) throw new Error(`poll refused with ${answer.status}`);
      for (const packet of answer.body.split(separator)) {
        if (packet === "2") await this.post(sid, "3");
        else if (packet !== "6") received.push(packet);
      }
    }
    return received;
  }

  /** Polls, answering no ping, until the server no longer knows the session; gives the packets. */
  async pollUntilGone(sid: string): Promise<string[]> {
    const received: string[] = [];
    const end = Date.now() + patience;
    while (Date.now() < end) {
      const answer = await this.poll(sid);
      if (answer.status === 400) return received;
      if (answer.status !== 200) throw new Error(`poll answered with ${answer.status}`);
      received.push(...answer.body.split(separator));
    }
    throw new Error(`the session was still known after ${patience} ms`);
  }

  #options() {
    const { ca, headers } = this.#settings;
    return {
      ...(ca === undefined ? {} : { tls: { ca } }),
      ...(headers === undefined ? {} : { headers }),
    };
  }
}

export function parseOpenPacket(packet: string): Handshake {
  if (!packet.startsWith("0")) throw new Error(`not an open packet: ${packet}`);
  const handshake: Handshake = JSON.parse(packet.slice(1));
  return handshake;
}
