import type { NodeOptions } from "@starling/core/broker/node.ts";
import type { Config } from "../config/config.ts";

type Shared = Pick<
  Config,
  | "apps"
  | "connectRatePerUser"
  | "connectRatePerAddress"
  | "apiRatePerKey"
  | "idempotencyWindowMs"
  | "presenceLeaseMs"
  | "historyMaxBytes"
>;

/** The limits that the workers of a node share, each for itself where its link to the node is down. */
export function ratesOf(config: Shared): NodeOptions["rates"] {
  return {
    user: { ratePerSecond: config.connectRatePerUser },
    address: { ratePerSecond: config.connectRatePerAddress },
    api: { ratePerSecond: config.apiRatePerKey },
  };
}

/** What the configuration says of the state that the workers of a node share. */
export function nodeOptions(config: Shared): Omit<NodeOptions, "clock" | "random"> {
  const { apps, idempotencyWindowMs, presenceLeaseMs: leaseMs, historyMaxBytes } = config;
  const rates = ratesOf(config);
  return { apps, rates, idempotencyWindowMs, leaseMs, historyBytes: historyMaxBytes };
}
