import { connect } from "@nats-io/transport-node";
import { NatsServer } from "../../../../../test/support/nats-server.ts";

export { NatsServer };

/** Connects as a worker does, but tries again after so short a time that tests do not wait. */
export function connectTo(server: NatsServer) {
  return connect({
    servers: server.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    reconnectJitter: 0,
    ignoreAuthErrorAbort: true,
    noEcho: false,
  });
}
