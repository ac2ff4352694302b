import type { CloseName } from "@starling/protocol/close-codes.ts";
import type { Answer } from "../../answer.ts";
import type { Broker } from "../../broker/broker.ts";
import type { WorkerHandlers } from "../../broker/handlers.ts";
import type { Position } from "../../hub/position.ts";
import type { Frame } from "../../hub/subscriber.ts";
import type { EngineSession } from "./session.ts";

/** What sessions need of the other workers of their node. */
export interface EngineCluster<Data> {
  readonly broker: Pick<Broker, "worker" | "call">;
  /** Where to register what other workers may ask. */
  readonly handlers: Pick<WorkerHandlers, "method" | "onMissed">;
  readonly mover: SessionMover<Data>;
}

/**
 * Takes what the layer above Engine.IO keeps of a session from one worker to another. Descriptions
 * and states are plain values that MessagePack can say.
 */
export interface SessionMover<Data> {
  /** What `follow` has to know; as long as it is the same, the session receives the same. */
  describe(session: EngineSession<Data>): unknown;
  /** Answered when the session has received whatever any other worker had delivered before the question. */
  caughtUp(session: EngineSession<Data>): Answer<void>;
  /** Forgets a session that goes on elsewhere, and tells its client nothing; answers its state. */
  release(session: EngineSession<Data>): unknown;
  /**
   * Receives what a session of another worker does, until it is stopped.
   *
   * @throws StarlingError when a channel of it cannot be had here
   */
  follow(description: unknown, follower: Follower): Following;
  /** What to keep for a session that comes with this state. */
  createData(state: unknown): Data;
  /**
   * Goes on with a session that is open here now.
   *
   * @throws StarlingError when a channel of it cannot be had here
   */
  restore(session: EngineSession<Data>, state: unknown): void;
}

/** A publication for a session that is followed. */
export interface Followed {
  readonly frames: readonly Frame[];
  /** Undefined only where nobody could deliver it twice. */
  readonly id: number | undefined;
  /** Where it stands, where the session's client remembers a cursor. */
  readonly position?: Position | undefined;
  /** Its frames for a client that has been sent what stands there, too. */
  framesBehind?(others: readonly Position[]): readonly Frame[];
}

/** Who waits for a session that is followed. */
export interface Follower {
  deliver(followed: Followed): void;
  /** The session is to end; its client is told `farewell` before. */
  close(reason: CloseName, farewell?: readonly Frame[]): void;
}

export interface Following {
  /**
   * From then on nothing passes by, and what was followed up to then has come to all workers, or will before
   * they are caught up.
   */
  readonly ready: Answer<void>;
  /** Answered when whatever any other worker had delivered before the question has come here, too. */
  caughtUp(): Answer<void>;
  stop(): void;
}

/** Questions about a session to the worker that its id names; the next types are what they say. */
export const Question = {
  /** Whether there is such a session: its id, answered by a boolean. */
  knows: "engine.knows",
  /** A long-polling request of it: `PassedRequest`, answered by an `HttpAnswer`. */
  request: "engine.request",
  /** A client went away before it had all of an answer: its id. */
  lost: "engine.lost",
  /** The poll that waits is to be answered now, with nothing if need be: its id. */
  hurry: "engine.hurry",
  /** A socket wants to take over: `ProbeName`, answered by whether it may. */
  probe: "engine.probe",
  /** It does not any more: `ProbeName`. */
  unprobe: "engine.unprobe",
  /** How to follow the session: `ProbeName`, answered by `PeekAnswer`. */
  peek: "engine.peek",
  /** Hand it over: `ProbeName`, answered by `TakeAnswer`. */
  take: "engine.take",
} as const;

export interface PassedRequest {
  readonly sid: string;
  readonly method: "GET" | "POST";
  /** Empty for a GET. */
  readonly body: string;
}

export interface ProbeName {
  readonly sid: string;
  /** The key of the `RemoteProbe`. */
  readonly probe: string;
}

/** The session cannot be had: it has ended, say, or another probe has taken the place of this one. */
export interface GoneSession {
  readonly is: "gone";
  /** What its client is told. */
  readonly reason: CloseName;
  /** What the client of a session that has ended was still to be told. */
  readonly farewell: readonly Frame[];
}

export type PeekAnswer = GoneSession | { readonly is: "there"; readonly description: unknown };

/** `changed`: it receives something else than at the last peek, or is busy. */
export type TakeAnswer = GoneSession | { readonly is: "changed" } | TakenSession;

export interface TakenSession {
  readonly is: "taken";
  readonly state: unknown;
  /** What waits for the client. */
  readonly frames: readonly Frame[];
  /** Publications that the client has, or has among `frames`, since the first peek. */
  readonly ids: readonly number[];
}
