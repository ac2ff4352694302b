import { signalLimits } from "@starling/protocol/signalling/limits.ts";
import type { Authenticator } from "../../auth/authenticator.ts";
import type { Broker } from "../../broker/broker.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import type { Presence } from "../../hub/presence.ts";
import { AllowedOrigins } from "../../limits/allowed-origins.ts";
import type { TokenBucketOptions } from "../../limits/token-bucket.ts";
import type { Clock, Log, Random } from "../../ports.ts";
import { SignallingAdmissions } from "./admissions.ts";
import { SignallingFormat } from "./format.ts";
import { Members } from "./members.ts";
import { SignallingServer } from "./server.ts";

/** What is configured about the signalling protocol. */
export interface SignallingSettings {
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Origins as browsers send them; none at all lets every page connect. */
  readonly allowedOrigins: readonly string[];
  readonly messageRate: TokenBucketOptions;
  readonly slowConsumerBytes: number;
  readonly maxHandshakes: number;
  /** Name of this node; empty = none. */
  readonly meshId: string;
  readonly signalling: {
    readonly maxPayloadBytes: number;
    readonly maxStateBytes: number;
    readonly pingIntervalMs: number;
    readonly pingTimeoutMs: number;
  };
}

export interface SignallingServiceOptions {
  readonly settings: SignallingSettings;
  readonly hub: Hub;
  readonly presence: Presence;
  readonly broker: Broker;
  readonly authenticator: Authenticator;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told of each round trip, in milliseconds. */
  onRoundTrip(ms: number): void;
}

/** The signalling protocol of a worker, whatever its connections come over. */
export interface SignallingService {
  readonly server: SignallingServer;
  readonly admissions: SignallingAdmissions;
}

/** Puts the signalling protocol together. */
export function createSignalling(options: SignallingServiceOptions): SignallingService {
  const { settings, hub, presence, broker, authenticator, counters, clock } = options;
  const { apps, messageRate, slowConsumerBytes, meshId, signalling, maxHandshakes } = settings;
  const format = new SignallingFormat(meshId, "members");
  const offsetFormat = new SignallingFormat(meshId, "members with offsets");
  const server = new SignallingServer({
    hub,
    presence,
    members: new Members({ hub, presence, apps, format, offsetFormat, clock }),
    format,
    offsetFormat,
    dataFormat: new SignallingFormat(meshId, "subscribers"),
    apps,
    clock,
    random: options.random,
    log: options.log,
    counters,
    limits: signalLimits(signalling.maxPayloadBytes, signalling.maxStateBytes),
    messageRate,
    slowConsumerBytes,
    pingIntervalMs: signalling.pingIntervalMs,
    pingTimeoutMs: signalling.pingTimeoutMs,
    async authenticate({ key, id, token, address, origin }) {
      const identity = await authenticator.authenticate({
        protocol: "signalling",
        key,
        id,
        token,
        address,
        origin: origin ?? undefined,
      });
      await hub.admit(identity.app, identity.user);
      return identity;
    },
    refresh: (identity, token) => authenticator.refresh(identity, token),
    onRoundTrip: (ms) => options.onRoundTrip(ms),
  });
  // The presence backend knew no origins: they count only where somebody has set them.
  const { allowedOrigins } = settings;
  const origins = new AllowedOrigins(allowedOrigins.length > 0 ? allowedOrigins : ["*"]);
  const admissions = new SignallingAdmissions({
    signalling: server,
    origins,
    counters,
    broker,
    maxHandshakes,
  });
  return { server, admissions };
}
