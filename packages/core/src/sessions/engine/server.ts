import type { Counters } from "../../hub/counters.ts";
import type { Clock, Fanout, Log, Random } from "../../ports.ts";
import type { EngineContext, EngineHandler, Handshake } from "./context.ts";
import { HeartbeatWheel } from "./heartbeat.ts";
import { engineRefusal, type HttpAnswer } from "./http.ts";
import { PacketType } from "./packets.ts";
import type { Respond } from "./polling.ts";
import { EngineSession } from "./session.ts";

export interface EngineServerOptions<Data> {
  readonly handler: EngineHandler<Data>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly fanout: Fanout;
  /** Milliseconds between the pings of a session; default in the protocol: 25000. */
  readonly pingIntervalMs: number;
  /** Milliseconds that a pong may take; default in the protocol: 20000. */
  readonly pingTimeoutMs: number;
  /** Bytes of the largest message or long-polling body a client may send. */
  readonly maxPayloadBytes: number;
  /** Bytes that may wait for one client before it is cut. */
  readonly slowConsumerBytes: number;
}

/** One HTTP request, stripped of its runtime. */
export interface EngineRequest extends Handshake {
  readonly method: string;
  /** Reads the body up to the payload limit; answers a refusal when it is larger. */
  readBody(): Promise<string | HttpAnswer>;
  /** Calls back when the client goes away before it has its answer. */
  onAbort(callback: () => void): void;
}

/** What to do with a WebSocket handshake: let the session have the socket, or refuse. */
export type SocketAdmission<Data> =
  | { readonly session: EngineSession<Data> }
  | { readonly refusal: HttpAnswer };

/** The only revision of the protocol that is spoken; clients name it in the query as `EIO`. */
const PROTOCOL_REVISION = "4";

/**
 * An Engine.IO server, revision 4, over whatever HTTP and sockets a runtime has.
 *
 * Source: Engine.IO protocol, revision 4 (github.com/socketio/engine.io-protocol).
 */
export class EngineServer<Data> implements EngineContext<Data> {
  readonly handler: EngineHandler<Data>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly slowConsumerBytes: number;
  readonly #random: Random;
  /** Sessions that poll, or once did: the others are reached through their socket alone. */
  readonly #polling = new Map<string, EngineSession<Data>>();
  readonly #heartbeat: HeartbeatWheel<EngineSession<Data>>;
  readonly #openPacketTail: string;

  constructor(options: EngineServerOptions<Data>) {
    const { fanout, pingIntervalMs, pingTimeoutMs, maxPayloadBytes } = options;
    this.handler = options.handler;
    this.clock = options.clock;
    this.log = options.log;
    this.counters = options.counters;
    this.slowConsumerBytes = options.slowConsumerBytes;
    this.#random = options.random;
    this.#openPacketTail = `"pingInterval":${pingIntervalMs},"pingTimeout":${pingTimeoutMs},"maxPayload":${maxPayloadBytes}}`;
    this.#heartbeat = new HeartbeatWheel({
      clock: options.clock,
      intervalMs: pingIntervalMs,
      timeoutMs: pingTimeoutMs,
      ping: (slot, members) => {
        // A ping that finds its queue full ends the session, which then leaves the slot.
        for (const session of [...members]) session.pingPolling();
        fanout.publish(this.pingTopic(slot), PacketType.ping);
      },
      expire: (session) => {
        this.counters.pingTimeouts++;
        session.expire();
      },
    });
  }

  /** A long-polling request. */
  handleRequest(request: EngineRequest): HttpAnswer | Promise<HttpAnswer> {
    const { method, query } = request;
    const transport = query.get("transport");
    if (transport !== "polling") {
      return engineRefusal(transport === "websocket" ? "badRequest" : "unknownTransport");
    }
    if (query.get("EIO") !== PROTOCOL_REVISION) return engineRefusal("unsupportedProtocol");
    const id = query.get("sid");
    if (id === null) {
      if (method !== "GET") return engineRefusal("badHandshakeMethod");
      return this.handler.admit(request) ?? this.#createSession(request).openPolling();
    }
    const session = this.#polling.get(id);
    if (session === undefined) return engineRefusal("unknownSession");
    if (method === "POST") return session.post(() => request.readBody());
    if (method !== "GET") return engineRefusal("badRequest");
    return new Promise((resolve) => {
      const respond: Respond = resolve;
      request.onAbort(() => session.pollAborted(respond));
      session.poll(respond);
    });
  }

  /** A WebSocket handshake; the admitted session takes the socket as its handler. */
  admitSocket(handshake: Handshake): SocketAdmission<Data> {
    const { query } = handshake;
    if (query.get("transport") !== "websocket") {
      return { refusal: engineRefusal("unknownTransport") };
    }
    if (query.get("EIO") !== PROTOCOL_REVISION) {
      return { refusal: engineRefusal("unsupportedProtocol") };
    }
    const id = query.get("sid");
    if (id === null) {
      const refusal = this.handler.admit(handshake);
      return refusal === undefined ? { session: this.#createSession(handshake) } : { refusal };
    }
    const session = this.#polling.get(id);
    if (session === undefined) return { refusal: engineRefusal("unknownSession") };
    return { session };
  }

  /** Closes every session, telling its client to come back. */
  shutDown(): void {
    for (const session of this.#heartbeat.members()) session.close("shutting_down");
    this.#heartbeat.stop();
  }

  // For the sessions

  enter(session: EngineSession<Data>): number {
    if (session.isPolling) this.#polling.set(session.id, session);
    return this.#heartbeat.add(session);
  }

  leaveHeartbeat(session: EngineSession<Data>, slot: number): void {
    this.#heartbeat.remove(session, slot);
  }

  forget(session: EngineSession<Data>): void {
    this.#polling.delete(session.id);
  }

  pingTopic(slot: number): string {
    return `ping:${slot}`;
  }

  openPacket(id: string, upgrades: readonly string[]): string {
    return `${PacketType.open}{"sid":"${id}","upgrades":${JSON.stringify(upgrades)},${this.#openPacketTail}`;
  }

  #createSession(handshake: Handshake): EngineSession<Data> {
    const id = this.#random.bytes(15).toBase64({ alphabet: "base64url" });
    return new EngineSession(id, this.handler.createData(handshake), this);
  }
}
