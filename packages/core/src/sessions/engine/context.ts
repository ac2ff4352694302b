import type { Answer } from "../../answer.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Clock, Log } from "../../ports.ts";
import type { HttpAnswer } from "./http.ts";
import type { EngineCloseReason, EngineSession } from "./session.ts";
import type { UnderWay } from "./under-way.ts";

/** What a client's first request says of itself. */
export interface Handshake {
  readonly query: { get(name: string): string | null };
  /** The client's address, behind proxies the one that the trusted proxies report. */
  readonly address: string;
  /** The bearer token of an `Authorization` header; undefined without one. */
  readonly bearer?: string | undefined;
  /** The `Origin` header; null where no page sent it. */
  readonly origin: string | null;
}

/** The layer above Engine.IO. */
export interface EngineHandler<Data> {
  /** Asked before anything is kept for a client; an answer refuses it. */
  admit(handshake: Handshake): Answer<HttpAnswer | undefined>;
  /** What to keep for a new session. */
  createData(handshake: Handshake): Data;
  open(session: EngineSession<Data>): void;
  /** May throw: the session is then closed as malformed. */
  message(session: EngineSession<Data>, message: string | Uint8Array): void;
  /** The session moved from polling to a socket; frames sent so far are on their way. */
  upgraded(session: EngineSession<Data>): void;
  /** Called once for each session that was opened. */
  close(session: EngineSession<Data>, reason: EngineCloseReason): void;
  /** The worker is about to leave its node. */
  leave(): Promise<void>;
}

/** What a session needs of the server it belongs to. */
export interface EngineContext<Data> {
  readonly handler: EngineHandler<Data>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly slowConsumerBytes: number;
  /** What keeps sessions from moving to another worker. */
  readonly underWay: UnderWay<EngineSession<Data>>;
  /** Makes an open session known; answers its heartbeat slot. */
  enter(session: EngineSession<Data>): number;
  leaveHeartbeat(session: EngineSession<Data>, slot: number): void;
  /** A session is over. */
  forget(session: EngineSession<Data>): void;
  pingTopic(slot: number): string;
  openPacket(id: string, upgrades: readonly string[]): string;
}
