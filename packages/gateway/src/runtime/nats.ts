import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { connectionOptions, type NatsConfig } from "@starling/core/broker/nats/config.ts";

/** Connects to NATS over TCP; `name` is what operators see there. */
export function connectToNats(
  config: NatsConfig,
  name: string,
  echoes = true,
): Promise<NatsConnection> {
  return connect(connectionOptions(config, name, echoes));
}
