import type { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import type { Follower, Following } from "../engine/cluster.ts";
import type { Handshake } from "../engine/context.ts";
import type { HttpAnswer } from "../engine/http.ts";
import type { EngineCloseReason } from "../engine/session.ts";
import type { SocketIoConnection } from "./connection.ts";

/** An event that a client emitted. */
export interface ClientEvent {
  readonly name: string;
  readonly args: readonly unknown[];
  /** JSON text of the array of name and arguments; binary parts stand in it as placeholders. */
  readonly text: string;
  /** The binary parts, in the order of their placeholders. */
  readonly attachments: readonly Uint8Array[];
  /** Answers the client; undefined when it asked for no answer. */
  readonly acknowledge: ((...args: readonly unknown[]) => void) | undefined;
}

/** Why a connection has ended here: `left` by its client's word, `moved` to another worker. */
export type DisconnectReason = EngineCloseReason | "left" | "moved";

/** What is served over Socket.IO. */
export interface SocketIoApplication<Info> {
  /** Asked before anything is kept for a client; an answer refuses it. */
  admit(handshake: Handshake): Answer<HttpAnswer | undefined>;
  /** The little of the handshake that `connect` will need. */
  remember(handshake: Handshake): Info;
  hasNamespace(name: string): boolean;
  /** Accepts the connection, or answers the error that the client is told. */
  connect(connection: SocketIoConnection<Info>, auth: unknown): Answer<StarlingError | undefined>;
  /** The client was told that it is connected. Settles when it has what it is to have from the start. */
  connected(connection: SocketIoConnection<Info>, auth: unknown): Answer<void>;
  /** The client of a connection that was accepted has gone before it could be told. */
  abandoned(connection: SocketIoConnection<Info>): void;
  /** Settles when the event is answered; at once where nobody has to be asked. */
  event(connection: SocketIoConnection<Info>, event: ClientEvent): Answer<undefined>;
  /** The connection moved from polling to a socket. */
  upgraded(connection: SocketIoConnection<Info>): void;
  /** Called once for each connection that was told it is connected. */
  disconnected(connection: SocketIoConnection<Info>, reason: DisconnectReason): void;
  /** The worker is about to leave its node. */
  leave(): Promise<void>;
}

/** An application whose connections can move from one worker to another. */
export interface MovableApplication<Info> extends SocketIoApplication<Info> {
  channelsOf(connection: SocketIoConnection<Info>): readonly string[];
  /**
   * Receives what a connection of another worker does, until it is stopped.
   *
   * @throws StarlingError when one of its channels cannot be had here
   */
  follow(connection: FollowedConnection, follower: Follower): Following;
  /** Answered when it has received whatever any other worker had delivered before the question. */
  caughtUp(connection: SocketIoConnection<Info>): Answer<void>;
  /**
   * Goes on with a connection in the channels that it was in.
   *
   * @throws StarlingError when one of them cannot be had here
   */
  restored(connection: SocketIoConnection<Info>, channels: readonly string[]): void;
}

/** What tells a connection of another worker from others, and what it receives. */
export interface FollowedConnection {
  readonly id: string;
  readonly app: string;
  readonly user: string | undefined;
  readonly channels: readonly string[];
  /** Whether its client takes the last text of an event for a cursor. */
  readonly isRecoverable: boolean;
}
