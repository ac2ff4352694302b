import type { TimerHandle } from "../../ports.ts";
import type { SocketIoConnection } from "./connection.ts";
import { PacketReader } from "./packets.ts";

/** What one Engine.IO session carries: its namespaces, and a packet that is half read. */
export class SocketIoClient<Info> {
  /** What the application remembered of the handshake. */
  readonly info: Info;
  readonly reader = new PacketReader();
  /** Namespaces it is connected to, or is connecting to; nearly always one. */
  readonly connections: SocketIoConnection<Info>[] = [];
  /** Runs while the client is in no namespace. */
  authenticationTimer: TimerHandle | undefined;

  constructor(info: Info) {
    this.info = info;
  }

  connection(namespace: string): SocketIoConnection<Info> | undefined {
    return this.connections.find((connection) => connection.namespace === namespace);
  }

  remove(connection: SocketIoConnection<Info>): void {
    const index = this.connections.indexOf(connection);
    if (index !== -1) this.connections.splice(index, 1);
  }
}
