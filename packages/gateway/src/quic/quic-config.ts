import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { QuicSettings, QuicWorkerConfig } from "@starling/quic-worker/config.ts";
import type { TlsMaterial } from "../certificates/material.ts";
import type { Config } from "../config/config.ts";
import { nodeName } from "../node/node-name.ts";
import { ratesOf } from "../node/node-options.ts";

/** What a quic worker is told beside its seat. */
export type QuicConfig = Omit<QuicWorkerConfig, "worker" | "socket" | "port">;

/** The part of the configuration that the quic worker needs, with the address looked up. */
export async function quicConfig(
  config: Config,
  tls: TlsMaterial,
  version: string,
): Promise<QuicConfig> {
  const { host } = config;
  return {
    version,
    host: isIP(host) === 0 ? (await lookup(host)).address : host,
    cert: tls.cert,
    key: tls.key,
    rates: ratesOf(config),
    settings: settingsOf(config),
  };
}

/** What is of no concern to the worker, such as the keys of publishers, stays here. */
function settingsOf(config: Config): QuicSettings {
  const { apps, publicKeys, jwt, webhook, anonymous, allowedOrigins, messageRate } = config;
  const { slowConsumerBytes, maxHandshakes, meshId, signalling, logLevel } = config;
  const { token, eventIdPattern, engine } = config;
  const { maxChannelsPerConnection, authTimeoutMs, drainMs, presenceLeaseMs, nats } = config;
  const { recoverySeconds } = config;
  return {
    apps,
    publicKeys,
    jwt,
    webhook,
    anonymous,
    token,
    eventIdPattern,
    engine,
    allowedOrigins,
    messageRate,
    slowConsumerBytes,
    maxHandshakes,
    meshId,
    signalling,
    logLevel,
    maxChannelsPerConnection,
    authTimeoutMs,
    drainMs,
    presenceLeaseMs,
    recoverySeconds,
    nats,
    node: nodeName(),
  };
}
