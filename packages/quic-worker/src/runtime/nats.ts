import type { NatsConnection } from "@nats-io/nats-core";
// Deno speaks the sockets of Node, and the library's own transport for Deno is on no registry of npm.
import { connect } from "@nats-io/transport-node";
import { connectionOptions, type NatsConfig } from "@starling/core/broker/nats/config.ts";

/** Connects to NATS over TCP; `name` is what operators see there. */
export function connectToNats(config: NatsConfig, name: string): Promise<NatsConnection> {
  const options = connectionOptions(config, name);
  // It may connect to the servers that are configured, by their names, and to no other that they tell of.
  return connect({ ...options, resolve: false, ignoreClusterUpdates: true });
}
