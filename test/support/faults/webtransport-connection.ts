import { Inbox } from "../inbox.ts";
import { pack, type Signal, unpack } from "../signalling-client.ts";
import type { MemberConnection, MemberEnd } from "./member-connection.ts";
import type { News, Order } from "./webtransport-orders.ts";

/** An order to the process that has the session, but for the number of the session. */
export type Tell = (
  order:
    | Omit<Extract<Order, { order: "send" }>, "session">
    | Omit<Extract<Order, { order: "close" }>, "session">,
) => void;

interface Pulse {
  /** How often it says that it is there. */
  readonly pingMs: number;
  /** How long it hears nothing before it takes the server for gone. */
  readonly silentMs: number;
}

/** A connection of version 2 whose session is in another process, which tells it what happens to it. */
export class WebTransportConnection implements MemberConnection {
  readonly ended: Promise<MemberEnd>;
  readonly #tell: Tell;
  readonly #pulse: Pulse;
  readonly #opened = Promise.withResolvers<MemberConnection>();
  readonly #ended = Promise.withResolvers<MemberEnd>();
  readonly #inbox = new Inbox<Signal>();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Pings since anything was heard: counted, since a process that gets no time hears nothing either. */
  #unheard = 0;
  #heardAt = performance.now();
  #isOver = false;

  constructor(tell: Tell, pulse: Pulse) {
    this.#tell = tell;
    this.#pulse = pulse;
    this.ended = this.#ended.promise;
  }

  /** Resolves once there is a session with its stream; rejects when there is none. */
  get opened(): Promise<MemberConnection> {
    return this.#opened.promise;
  }

  send(signal: Signal): void {
    this.#send("stream", signal);
  }

  readWith(reader: (signal: Signal) => void): void {
    this.#inbox.readWith(reader);
  }

  [Symbol.dispose](): void {
    this.#over({ ending: "broken" });
  }

  /** There is a session. */
  open(): void {
    const { pingMs } = this.#pulse;
    this.#timer = setInterval(() => this.#beat(), pingMs);
    this.#opened.resolve(this);
  }

  receive(messages: Extract<News, { news: "messages" }>["messages"]): void {
    this.#unheard = 0;
    this.#heardAt = performance.now();
    for (const [way, text] of messages) {
      if (this.#isOver) return;
      const signal: Signal = Object(unpack(Buffer.from(text, "base64")));
      if (signal.op === "pong") continue;
      // None of the channels of a run is volatile.
      this.#inbox.push(way === "stream" ? signal : { op: `by ${way}: ${signal.t} ${signal.op}` });
    }
  }

  /** The server has ended the stream: the session is about to be closed, with a code that Deno keeps. */
  finish(): void {
    this.#over({ ending: "orderly" });
  }

  /** The session has ended. */
  end(why: string): void {
    this.#opened.reject(new Error(why));
    this.#lose(why);
  }

  #lose(why: string): void {
    this.#over({ ending: "broken", why, heardAt: this.#heardAt });
  }

  #beat(): void {
    const { pingMs, silentMs } = this.#pulse;
    if (++this.#unheard * pingMs > silentMs) this.#lose("silence");
    // The server answers on the stream.
    else this.#send("datagram", { t: "control", op: "ping" });
  }

  #send(way: "stream" | "datagram", signal: Signal): void {
    if (this.#isOver) return;
    this.#tell({ order: "send", way, bytes: pack(signal).toString("base64") });
  }

  #over(end: MemberEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#tell({ order: "close" });
    this.#ended.resolve(end);
  }
}
