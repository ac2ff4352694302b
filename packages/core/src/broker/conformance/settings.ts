import type { NodeSettings } from "./fixture.ts";

/** What the suite asks of its nodes: an app without limits, and one with. */
export const settings: NodeSettings = {
  apps: new Map([
    ["default", { namespaces: new Map() }],
    ["shared", { namespaces: new Map(), maxConnectionsPerUser: 2, tellsConnections: true }],
    ["small", { namespaces: new Map(), maxConnections: 3, maxChannels: 2 }],
  ]),
  rates: {
    user: { ratePerSecond: 5 },
    address: { ratePerSecond: 1 },
    api: { ratePerSecond: 0 },
  },
  idempotencyWindowMs: 60_000,
};
