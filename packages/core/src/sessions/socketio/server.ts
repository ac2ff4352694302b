import type { StarlingError } from "@starling/protocol/errors.ts";
import { type Packet, PacketType } from "socket.io-parser";
import { type Answer, whenAnswered } from "../../answer.ts";
import type { Counters } from "../../hub/counters.ts";
import { DeadlineQueue } from "../../limits/deadline-queue.ts";
import type { Clock, Log, Random } from "../../ports.ts";
import type { EngineHandler, Handshake } from "../engine/context.ts";
import { catalogueRefusal, type HttpAnswer } from "../engine/http.ts";
import type { EngineCloseReason, EngineSession } from "../engine/session.ts";
import type { DisconnectReason, SocketIoApplication } from "./application.ts";
import { SocketIoClient } from "./client.ts";
import { SocketIoConnection } from "./connection.ts";
import { PacketReader, type ReceivedPacket } from "./packets.ts";

export interface SocketIoServerOptions<Info> {
  readonly application: SocketIoApplication<Info>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  /** Milliseconds that a client may stay without a namespace. */
  readonly authTimeoutMs: number;
  /** Clients that may be without a namespace at the same time. */
  readonly maxHandshakes: number;
}

type Session<Info> = EngineSession<SocketIoClient<Info>>;

/**
 * A Socket.IO server, protocol revision 5, over Engine.IO sessions.
 *
 * Source: Socket.IO protocol, revision 5 (github.com/socketio/socket.io-protocol).
 */
export class SocketIoServer<Info> implements EngineHandler<SocketIoClient<Info>> {
  readonly #options: SocketIoServerOptions<Info>;
  /** Clients without a namespace, each with the time that it may be so. */
  readonly #handshakes: DeadlineQueue<Session<Info>>;
  /** Handshakes whose admission is still being decided. */
  #admissions = 0;

  constructor(options: SocketIoServerOptions<Info>) {
    this.#options = options;
    this.#handshakes = new DeadlineQueue(options.clock, options.authTimeoutMs, (session) => {
      options.counters.authenticationTimeouts++;
      session.close("authentication_timeout");
    });
  }

  admit(handshake: Handshake): Answer<HttpAnswer | undefined> {
    return whenAnswered(this.#verdict(handshake), (refusal) => {
      if (refusal !== undefined) this.#options.counters.refusedHandshakes++;
      return refusal;
    });
  }

  createData(handshake: Handshake): SocketIoClient<Info> {
    return new SocketIoClient(this.#options.application.remember(handshake));
  }

  open(session: Session<Info>): void {
    this.#handshakes.add(session);
  }

  /** A session that another worker began and handed over. */
  resumed(session: Session<Info>): void {
    if (!session.data.hasConnections) this.#handshakes.add(session);
  }

  /** A session goes on at another worker. */
  released(session: Session<Info>): void {
    this.#forget(session, "moved");
  }

  /** The worker is about to leave its node. */
  leave(): Promise<void> {
    return this.#options.application.leave();
  }

  message(session: Session<Info>, message: string | Uint8Array): void {
    const received = this.#read(session, message);
    if (received === undefined) return;
    const { packet } = received;
    const connection = session.data.connection(packet.nsp);
    if (packet.type === PacketType.CONNECT && connection === undefined) {
      this.#connect(session, packet);
    } else if (connection?.isConnected !== true) {
      this.#malformed(session, "not connected");
    } else if (packet.type === PacketType.EVENT) {
      this.#event(session, connection, received);
    } else if (packet.type === PacketType.DISCONNECT) {
      this.#leave(session, connection);
    } else if (packet.type !== PacketType.ACK) {
      this.#malformed(session, "packet type out of place");
    }
  }

  upgraded(session: Session<Info>): void {
    for (const connection of session.data.connections) {
      if (connection.isConnected) this.#options.application.upgraded(connection);
    }
  }

  close(session: Session<Info>, reason: EngineCloseReason): void {
    this.#forget(session, reason);
  }

  #forget(session: Session<Info>, reason: DisconnectReason): void {
    this.#handshakes.remove(session);
    for (const connection of [...session.data.connections]) {
      session.data.remove(connection);
      if (connection.isConnected) this.#options.application.disconnected(connection, reason);
    }
  }

  #verdict(handshake: Handshake): Answer<HttpAnswer | undefined> {
    const { application, maxHandshakes } = this.#options;
    if (this.#handshakes.size + this.#admissions >= maxHandshakes) {
      return catalogueRefusal("too_many_handshakes");
    }
    const verdict = application.admit(handshake);
    if (!(verdict instanceof Promise)) return verdict;
    this.#admissions++;
    return verdict.finally(() => {
      this.#admissions--;
    });
  }

  #read(session: Session<Info>, message: string | Uint8Array): ReceivedPacket | undefined {
    const { hasConnections } = session.data;
    // Its parts would wait in memory for somebody who has not authenticated.
    if (!hasConnections && typeof message === "string" && PacketReader.begins(message)) {
      this.#malformed(session, "a binary packet before a connection");
      return undefined;
    }
    try {
      return session.data.read(message);
    } catch (error) {
      this.#malformed(session, error instanceof Error ? error.message : "unreadable");
      return undefined;
    }
  }

  #connect(session: Session<Info>, packet: Packet): void {
    const { application, random } = this.#options;
    const id = random.bytes(15).toBase64({ alphabet: "base64url" });
    const connection = new SocketIoConnection(id, packet.nsp, session);
    if (!application.hasNamespace(packet.nsp)) {
      connection.refuse("Invalid namespace");
      return;
    }
    session.data.add(connection);
    const auth: unknown = packet.data ?? {};
    const verdict = application.connect(connection, auth);
    if (verdict instanceof Promise) {
      const decided = verdict
        .then((error) => this.#decide(session, connection, auth, error))
        .catch((error: unknown) => {
          this.#options.log.error({ error }, "a connection could not be checked");
          session.close("internal_error");
        });
      session.track(decided);
    } else {
      this.#decide(session, connection, auth, verdict);
    }
  }

  #decide(
    session: Session<Info>,
    connection: SocketIoConnection<Info>,
    auth: unknown,
    error: StarlingError | undefined,
  ): void {
    if (!session.isOpen) {
      if (error === undefined) this.#options.application.abandoned(connection);
      return;
    }
    if (error !== undefined) {
      this.#options.counters.refusedConnects++;
      connection.refuseWith(error);
      this.#remove(session, connection);
      return;
    }
    this.#handshakes.remove(session);
    connection.confirm();
    // The answer may have been the frame that was one too many.
    if (!connection.isConnected) return;
    const begun = this.#options.application.connected(connection, auth);
    if (begun instanceof Promise) session.track(begun);
  }

  #event(
    session: Session<Info>,
    connection: SocketIoConnection<Info>,
    { packet, text, attachments }: ReceivedPacket,
  ): void {
    const { id } = packet;
    const data: unknown = packet.data;
    if (!Array.isArray(data) || (id !== undefined && !Number.isSafeInteger(id))) {
      this.#malformed(session, "an event without a name or with a wrong acknowledgement id");
      return;
    }
    const [name, ...args]: unknown[] = data;
    const acknowledge =
      id === undefined
        ? undefined
        : (...answer: readonly unknown[]) => connection.acknowledge(id, answer);
    const answered = this.#options.application.event(connection, {
      name: String(name),
      args,
      text,
      attachments,
      acknowledge,
    });
    if (answered instanceof Promise) session.track(answered);
  }

  #leave(session: Session<Info>, connection: SocketIoConnection<Info>): void {
    this.#remove(session, connection);
    this.#options.application.disconnected(connection, "left");
  }

  /** Whoever is in no namespace, and in none that is still being checked, has to connect again. */
  #remove(session: Session<Info>, connection: SocketIoConnection<Info>): void {
    session.data.remove(connection);
    if (!session.data.hasConnections && session.isOpen) this.#handshakes.add(session);
  }

  #malformed(session: Session<Info>, why: string): void {
    this.#options.counters.malformedPackets++;
    this.#options.log.debug({ session: session.id, why }, "malformed Socket.IO packet");
    session.close("malformed_packet");
  }
}
