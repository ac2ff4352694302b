import type { ClientRequest } from "node:http";
import { Agent } from "node:https";
import type { Duplex } from "node:stream";
import { io, type Socket } from "socket.io-client";
import type { ClientOptions } from "../stock-client.ts";
import {
  type ClientContext,
  type EndOfConnection,
  endingOf,
  FaultClient,
  UNAVAILABLE,
} from "./fault-client.ts";

/**
 * Keeps connections, and does not say of which it is that they are used again: there the client's
 * XMLHttpRequest answers a reset with a second request that it never sends, and hangs.
 */
class KeepingAgent extends Agent {
  constructor() {
    super({ keepAlive: true, maxSockets: 4 });
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    request.reusedSocket = false;
  }
}

/** How a stock client connects. */
export const stockWays = {
  /** A connection for each request. */
  polling: () => ({ transports: ["polling"] }),
  /** Connections that are kept. */
  "polling-kept": () => ({
    transports: ["polling"],
    // The type is that of browsers, where this is no more than a flag.
    agent: new KeepingAgent() as unknown as string,
  }),
  websocket: () => ({ transports: ["websocket"] }),
  upgrade: () => ({}),
  /** Long polling and WebSocket in turn, another one whenever it comes back. */
  switching: () => ({ transports: ["polling"] }),
} as const satisfies Readonly<Record<string, () => ClientOptions>>;

export type StockWay = keyof typeof stockWays;

/** Longer than a gateway may take to refuse what it cannot read. */
const ANSWER_MS = 10_000;

/** A stock Socket.IO client, which reconnects by its own means. */
export class SocketIoClient extends FaultClient {
  /** How often it went on with the connection that it had before, by its own means. */
  resumptions = 0;
  /** Channels of which the connection that there was last had an acknowledgement. */
  readonly #subscribed = new Set<string>();
  readonly #way: StockWay;
  #socket: Socket | undefined;
  #isAway = false;

  constructor(context: ClientContext, name: string, channels: readonly string[], way: StockWay) {
    super(context, name, channels);
    this.#way = way;
  }

  start(): void {
    const { server } = this.context;
    const socket = io(server.subscriberUrl, {
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 400,
      ca: server.ca,
      ...stockWays[this.#way](),
    });
    this.#socket = socket;
    socket.on("connect", () => {
      this.beginStays();
      if (socket.recovered) this.resumptions++;
      else this.#subscribed.clear();
      for (const channel of this.channels) {
        // The server goes on with the channels of a connection that it has kept; others it may not have heard of.
        if (this.#subscribed.has(channel)) this.acknowledge(channel, { recovered: true });
        else this.#subscribe(socket, channel);
      }
    });
    socket.on("n", (content: unknown, position?: string) => this.receive(content, position));
    socket.on("disconnect", (reason, details) => {
      this.connectionEnded(endOf(reason, details));
      if (this.#way === "switching") switchTransport(socket);
      this.#aim(socket);
      if (this.#isAway) void this.#comeBack(socket);
      if (!this.isReturning || reason === "io server disconnect") socket.disconnect();
      if (reason === "io server disconnect" && !this.isStopped) {
        this.context.recorder.troubles.push(`${this.name} was told not to come back`);
      }
    });
  }

  protected disconnect(): void {
    this.#socket?.disconnect();
  }

  protected loseConnection(): void {
    const socket = this.#socket;
    if (socket?.connected !== true) return;
    this.#isAway = true;
    socket.io.reconnection(false);
    socket.io.engine.close();
  }

  async #comeBack(socket: Socket): Promise<void> {
    await this.pause();
    this.#isAway = false;
    if (!this.isReturning) return;
    socket.io.reconnection(true);
    socket.connect();
  }

  /** Its next connection goes to the node where it is to be. */
  #aim(socket: Socket): void {
    const { subscriberUrl, ca } = this.context.server;
    Object.assign(socket.io, { uri: subscriberUrl });
    Object.assign(socket.io.opts, { ca });
  }

  #subscribe(socket: Socket, channel: string): void {
    const stay = this.stays.get(channel);
    const since = this.positions.get(channel);
    const wanted = since === undefined ? { channel } : { channel, since };
    socket.timeout(ANSWER_MS).emit("subscribe", wanted, (error: unknown, answer: unknown) => {
      // The subscription of a connection that has ended is asked for again by the next.
      if (stay !== this.stays.get(channel) || this.isStopped) return;
      if (error === null && Object(answer).ok === true) {
        this.#subscribed.add(channel);
        // A channel that came back with the connection, whose first answer was lost, answers without a position.
        const isKnown =
          socket.recovered && since !== undefined && Object(answer).position === undefined;
        this.acknowledge(channel, isKnown ? { recovered: true } : Object(answer));
      } else if (Object(Object(answer).error).code === UNAVAILABLE) {
        void this.pause().then(() => {
          if (stay === this.stays.get(channel)) this.#subscribe(socket, channel);
        });
      } else
        this.context.recorder.troubles.push(`${this.name}: ${error ?? JSON.stringify(answer)}`);
    });
  }
}

function switchTransport(socket: Socket): void {
  const { opts } = socket.io;
  const isPolling = opts.transports?.[0] === "polling";
  opts.transports = [isPolling ? "websocket" : "polling"];
}

function endOf(reason: string, details: unknown): EndOfConnection {
  const { description, context } = Object(details);
  if (reason !== "transport close") {
    const { message = "", context: answer } = Object(details);
    const { status, responseText } = Object(answer);
    return {
      ending: "broken",
      why: [reason, message, description, status, responseText].join(" "),
    };
  }
  // A polling connection is closed by a packet, which has no code.
  if (context === undefined) return { ending: "orderly", isFetched: true };
  const { code } = Object(context);
  if (typeof code !== "number") return { ending: "broken" };
  return { ending: endingOf(code), code };
}
