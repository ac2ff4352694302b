import { type Answer, whenAnswered } from "../../answer.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Clock, Fanout, Log, Random } from "../../ports.ts";
import type { SocketHandler } from "../socket-handler.ts";
import type { EngineCluster } from "./cluster.ts";
import type { EngineContext, EngineHandler, Handshake } from "./context.ts";
import type { ForeignRequest } from "./forwarder.ts";
import { HeartbeatWheel } from "./heartbeat.ts";
import { catalogueRefusal, engineRefusal, type HttpAnswer } from "./http.ts";
import { PacketType } from "./packets.ts";
import { answerRequest } from "./requests.ts";
import { EngineSession } from "./session.ts";
import { createSessionId } from "./session-id.ts";
import { SessionsElsewhere } from "./sessions-elsewhere.ts";
import { UnderWay } from "./under-way.ts";

export interface EngineServerOptions<Data> {
  readonly handler: EngineHandler<Data>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly fanout: Fanout;
  /** The other workers; undefined where there can be none. */
  readonly cluster?: EngineCluster<Data> | undefined;
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
export interface EngineRequest extends Handshake, ForeignRequest {}

/** What to do with a handshake for a socket: let the handler have the socket, or refuse. */
export type SocketAdmission =
  | { readonly handler: SocketHandler }
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
  readonly underWay = new UnderWay<EngineSession<Data>>();
  readonly #random: Random;
  readonly #elsewhere: SessionsElsewhere<Data> | undefined;
  /** Sessions that poll, or once did: the others are reached through their socket alone. */
  readonly #polling = new Map<string, EngineSession<Data>>();
  readonly #heartbeat: HeartbeatWheel<EngineSession<Data>>;
  readonly #openPacketTail: string;
  #sessions = 0;
  #refusesNew = false;

  constructor(options: EngineServerOptions<Data>) {
    const { fanout, pingIntervalMs, pingTimeoutMs, maxPayloadBytes } = options;
    this.handler = options.handler;
    this.clock = options.clock;
    this.log = options.log;
    this.counters = options.counters;
    this.slowConsumerBytes = options.slowConsumerBytes;
    this.#random = options.random;
    this.#elsewhere = this.#reachOthers(options.cluster);
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

  /** Sessions that are not over, among them those that have yet to fetch their end. */
  get sessions(): number {
    return this.#sessions;
  }

  /** A long-polling request. */
  handleRequest(request: EngineRequest): Answer<HttpAnswer> {
    const { method, query } = request;
    const transport = query.get("transport");
    if (transport !== "polling") {
      return engineRefusal(transport === "websocket" ? "badRequest" : "unknownTransport");
    }
    if (query.get("EIO") !== PROTOCOL_REVISION) return engineRefusal("unsupportedProtocol");
    const id = query.get("sid");
    if (id === null) {
      if (method !== "GET") return engineRefusal("badHandshakeMethod");
      return this.#open(request);
    }
    const session = this.#polling.get(id);
    if (session !== undefined) return answerRequest(session, request);
    return this.#elsewhere?.request(id, request) ?? engineRefusal("unknownSession");
  }

  /** A WebSocket handshake. */
  admitSocket(handshake: Handshake): Answer<SocketAdmission> {
    const { query } = handshake;
    if (query.get("transport") !== "websocket") {
      return { refusal: engineRefusal("unknownTransport") };
    }
    if (query.get("EIO") !== PROTOCOL_REVISION) {
      return { refusal: engineRefusal("unsupportedProtocol") };
    }
    const id = query.get("sid");
    if (id === null) return this.#admitNew(handshake);
    const handler = this.#polling.get(id);
    if (handler !== undefined) return { handler };
    const arrival = this.#refusesNew ? undefined : this.#elsewhere?.admitSocket(id);
    return arrival ?? { refusal: engineRefusal("unknownSession") };
  }

  /**
   * A request for a WebTransport session: see `EngineStreams`. The stock client has nothing in its
   * query, so what is absent there is as it should be.
   */
  admitStream(handshake: Handshake): Answer<SocketAdmission> {
    const { query } = handshake;
    if ((query.get("transport") ?? "webtransport") !== "webtransport") {
      return { refusal: engineRefusal("unknownTransport") };
    }
    if ((query.get("EIO") ?? PROTOCOL_REVISION) !== PROTOCOL_REVISION) {
      return { refusal: engineRefusal("unsupportedProtocol") };
    }
    // No upgrade to it was offered: the session of that id may be polling at any worker.
    if (query.get("sid") !== null) return { refusal: engineRefusal("badRequest") };
    return this.#admitNew(handshake);
  }

  /** From now on there are no new sessions here; those that there are go on. */
  refuseNew(): void {
    this.#refusesNew = true;
  }

  /** Closes every session, telling its client to come back. */
  shutDown(): void {
    for (const session of this.#heartbeat.members()) session.close("shutting_down");
    this.#heartbeat.stop();
  }

  /**
   * Answers polls that wait here for sessions of other workers: their clients ask elsewhere. Resolves when
   * the other workers have what clients of this one may come back for.
   */
  leave(): Promise<void> {
    this.#elsewhere?.leave();
    return this.handler.leave();
  }

  // For the sessions

  enter(session: EngineSession<Data>): number {
    this.#sessions++;
    if (session.isPolling) this.#polling.set(session.id, session);
    return this.#heartbeat.add(session);
  }

  leaveHeartbeat(session: EngineSession<Data>, slot: number): void {
    this.#heartbeat.remove(session, slot);
  }

  forget(session: EngineSession<Data>): void {
    this.#sessions--;
    this.#polling.delete(session.id);
  }

  pingTopic(slot: number): string {
    return `ping:${slot}`;
  }

  openPacket(id: string, upgrades: readonly string[]): string {
    return `${PacketType.open}{"sid":"${id}","upgrades":${JSON.stringify(upgrades)},${this.#openPacketTail}`;
  }

  #admit(handshake: Handshake): Answer<HttpAnswer | undefined> {
    const verdict = this.#refusesNew ? undefined : this.handler.admit(handshake);
    return whenAnswered(verdict, (refusal) =>
      this.#refusesNew ? catalogueRefusal("shutting_down") : refusal,
    );
  }

  #admitNew(handshake: Handshake): Answer<SocketAdmission> {
    return whenAnswered(this.#admit(handshake), (refusal) =>
      refusal === undefined ? { handler: this.#createSession(handshake) } : { refusal },
    );
  }

  #open(request: EngineRequest): Answer<HttpAnswer> {
    const verdict = this.#admit(request);
    let isGone = false;
    if (verdict instanceof Promise) {
      request.onAbort(() => {
        isGone = true;
      });
    }
    return whenAnswered(verdict, (refusal) => {
      if (refusal !== undefined) return refusal;
      return isGone ? engineRefusal("badRequest") : this.#createSession(request).openPolling();
    });
  }

  #createSession(handshake: Handshake): EngineSession<Data> {
    const id = createSessionId(this.#elsewhere?.worker ?? 0, this.#random);
    return new EngineSession(id, this.handler.createData(handshake), this);
  }

  #reachOthers(cluster: EngineCluster<Data> | undefined): SessionsElsewhere<Data> | undefined {
    if (cluster === undefined || cluster.broker.worker === 0) return undefined;
    const { clock, log, counters, slowConsumerBytes, underWay } = this;
    return new SessionsElsewhere({
      cluster,
      clock,
      log,
      counters,
      slowConsumerBytes,
      underWay,
      random: this.#random,
      find: (id) => this.#polling.get(id),
      createSession: (id, data) => {
        const session = new EngineSession(id, data, this);
        this.#polling.set(id, session);
        return session;
      },
    });
  }
}
