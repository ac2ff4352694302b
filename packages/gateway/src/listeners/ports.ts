import type { Clock, Log } from "@starling/core/ports.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { Server } from "bun";
import type { DrainCause } from "../node/drain.ts";
import type { Listening } from "../node/worker-process.ts";
import { clearSteering, leavePort } from "./leave-port.ts";
import { stopWithin } from "./stop.ts";

export interface PortsOptions {
  /** Undefined where subscribers' port serves publishers too. */
  readonly publishers: Server<undefined> | undefined;
  readonly subscribers: Server<SocketHandler>;
  /** Whether other processes listen on the same ports. */
  readonly shared: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long the end of a listener waits for requests under way. */
const STOP_GRACE_MS = 2_000;

/** The listeners of a worker. */
export class Ports {
  readonly listening: Listening;
  readonly #options: PortsOptions;
  readonly #servers: readonly (Server<undefined> | Server<SocketHandler>)[];

  constructor(options: PortsOptions) {
    const { publishers, subscribers, shared, log } = options;
    this.#options = options;
    this.#servers = publishers === undefined ? [subscribers] : [publishers, subscribers];
    const publishing = publishers ?? subscribers;
    this.listening = {
      publisherPort: portOf(publishing),
      subscriberPort: portOf(subscribers),
      publisherUrl: publishing.url.origin,
      subscriberUrl: subscribers.url.origin,
    };
    if (shared) clearSteering(this.#servers.map(portOf), log);
  }

  /**
   * Takes no new connections any more, as far as the cause of the end wants it; resolves when they go
   * elsewhere. Connections that are open live on.
   */
  async leave(cause: DrainCause): Promise<void> {
    const { publishers, clock, log } = this.#options;
    if (cause === "stop") {
      // Polling sessions come for the rest of their messages on new connections too.
      if (publishers !== undefined) close(publishers);
      return;
    }
    if (cause === "orphaned") {
      // Another node may want the ports.
      for (const server of this.#servers) close(server);
      return;
    }
    const leaving = this.#servers.map((server) => ({
      port: portOf(server),
      close: () => close(server),
    }));
    await leavePort(leaving, { clock, log });
  }

  /** Finishes requests under way, then cuts what is left. */
  async stop(): Promise<void> {
    const { clock } = this.#options;
    await Promise.all(
      this.#servers.map((server: Server<unknown>) => stopWithin(server, clock, STOP_GRACE_MS)),
    );
  }
}

/** Closes the listening socket at once; what is open is waited for when the worker ends. */
function close(server: Pick<Server<undefined>, "stop">): void {
  void server.stop();
}

function portOf({ port }: Pick<Server<undefined>, "port">): number {
  if (port === undefined) throw new Error("the listener has no TCP port");
  return port;
}
