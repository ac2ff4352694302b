import { each, excluding, including, type OneOrMany } from "../../hub/one-or-many.ts";
import type { SocketIoConnection } from "./connection.ts";
import { PacketReader, type ReceivedPacket, readTextPacket } from "./packets.ts";

/** What one Engine.IO session carries: its namespaces, and a packet that is half read. */
export class SocketIoClient<Info> {
  /** What the application remembered of the handshake. */
  readonly info: Info;
  #connections: OneOrMany<SocketIoConnection<Info>>;
  /** Only in the middle of a binary packet. */
  #reader: PacketReader | undefined;

  constructor(info: Info) {
    this.info = info;
  }

  /** The messages so far of a packet that is half read. */
  get halfRead(): readonly (string | Uint8Array)[] {
    return this.#reader?.messages ?? [];
  }

  /** Namespaces it is connected to, or is connecting to; nearly always one. */
  get connections(): Iterable<SocketIoConnection<Info>> {
    return each(this.#connections);
  }

  get hasConnections(): boolean {
    return this.#connections !== undefined;
  }

  connection(namespace: string): SocketIoConnection<Info> | undefined {
    for (const connection of this.connections) {
      if (connection.namespace === namespace) return connection;
    }
    return undefined;
  }

  add(connection: SocketIoConnection<Info>): void {
    this.#connections = including(this.#connections, connection);
  }

  remove(connection: SocketIoConnection<Info>): void {
    this.#connections = excluding(this.#connections, connection);
  }

  /**
   * Answers the packet that this message completes, if it does.
   *
   * @throws Error when the message breaks the protocol
   */
  read(message: string | Uint8Array): ReceivedPacket | undefined {
    if (this.#reader === undefined) {
      if (typeof message === "string" && !PacketReader.begins(message)) {
        return readTextPacket(message);
      }
      this.#reader = new PacketReader();
    }
    const received = this.#reader.read(message);
    if (received !== undefined) this.#reader = undefined;
    return received;
  }
}
