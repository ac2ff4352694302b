import { decodeServerSignal, encodeSignal } from "@starling/protocol/signalling/codec.ts";
import { defaultSignalLimits } from "@starling/protocol/signalling/limits.ts";
import type { ClientSignal, ServerSignal } from "@starling/protocol/signalling/messages.ts";
import type { Identity } from "../auth/identity.ts";
import type { Broker } from "../broker/broker.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import { Counters } from "../hub/counters.ts";
import { Hub } from "../hub/hub.ts";
import type { AppConfig, NamespaceConfig } from "../hub/namespace.ts";
import { Presence } from "../hub/presence.ts";
import { SignallingFormat } from "../sessions/signalling/format.ts";
import { Members } from "../sessions/signalling/members.ts";
import { SignallingServer } from "../sessions/signalling/server.ts";
import type { FakeClock } from "./fake-clock.ts";
import { FakeNetwork } from "./fake-network.ts";
import { RecordingLog } from "./recording-log.ts";
import { SeededRandom } from "./seeded-random.ts";

export interface SignallingWorkerOptions {
  readonly clock: FakeClock;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly broker: Broker;
  readonly handlers: WorkerHandlers;
  /** Who clients are found to be. */
  readonly identity?: Partial<Identity> | undefined;
  /** Who they are after `auth`. */
  readonly refreshed?: Partial<Identity> | undefined;
  readonly seed?: number;
}

/** The default app, in which anyone may do everything. */
export function openApps(
  namespaces: Readonly<Record<string, Partial<NamespaceConfig>>> = {},
  limits: Pick<AppConfig, "maxChannels" | "maxConnections"> = {},
): ReadonlyMap<string, AppConfig> {
  const open = {
    subscribe: "anyone",
    publish: "anyone",
    presence: "anyone",
    volatile: false,
  } as const;
  const declared = new Map(
    Object.entries(namespaces).map(([name, options]) => [name, { ...open, ...options }]),
  );
  return new Map([["default", { namespaces: declared, signalling: "open", ...limits }]]);
}

/** One worker that speaks the signalling protocol, with clients in memory. */
export function signallingWorker(options: SignallingWorkerOptions) {
  const { clock, apps, broker, handlers, identity = {}, refreshed = {}, seed = 1 } = options;
  const network = new FakeNetwork(4_096);
  const counters = new Counters();
  const log = new RecordingLog();
  const random = new SeededRandom(seed);
  const hub = new Hub({
    broker,
    handlers,
    fanout: network,
    clock,
    random,
    counters,
    apps,
    slowConsumerBytes: 4_096,
    maxChannelsPerConnection: 3,
  });
  const presence = new Presence({ broker, handlers, clock });
  const format = new SignallingFormat("east", "members");
  const offsetFormat = new SignallingFormat("east", "members with offsets");
  const roundTrips: number[] = [];
  const base: Identity = { app: "default", source: "key" };
  const server = new SignallingServer({
    hub,
    presence,
    members: new Members({ hub, presence, apps, format, offsetFormat, clock }),
    format,
    offsetFormat,
    dataFormat: new SignallingFormat("east", "subscribers"),
    apps,
    clock,
    log,
    counters,
    random,
    limits: defaultSignalLimits,
    messageRate: { ratePerSecond: 10, burst: 50 },
    slowConsumerBytes: 4_096,
    pingIntervalMs: 10_000,
    pingTimeoutMs: 20_000,
    authenticate: () => Promise.resolve({ ...base, ...identity }),
    refresh: () => Promise.resolve({ ...base, ...identity, ...refreshed }),
    onRoundTrip: (ms) => roundTrips.push(ms),
  });

  const connect = async (query: string) => {
    const admission = await server.admit({
      query: new URLSearchParams(query),
      address: "192.0.2.1",
      origin: null,
      bearer: undefined,
    });
    if (!("link" in admission)) throw new Error(`${admission.status} ${admission.message}`);
    const { link } = admission;
    const socket = network.socket();
    link.opened(socket);
    const read = (): ServerSignal[] =>
      socket.received.splice(0).map((frame) => {
        const decoded = decodeServerSignal(frame as Uint8Array, defaultSignalLimits);
        if (!decoded.ok) throw new Error(decoded.message);
        return decoded.signal;
      });
    const say = (...signals: ClientSignal[]) => {
      for (const signal of signals) link.message(socket, encodeSignal(signal));
    };
    const leave = () => {
      socket.terminate();
      link.closed();
    };
    return { link, socket, read, say, leave };
  };

  const joined = async (id: string, channel = "room", version = 1) => {
    const client = await connect(`publickey=k&id=${id}&v=${version}`);
    client.say({ t: "control", op: "channel_join", c: channel, p: "" });
    client.read();
    return client;
  };

  return { network, counters, hub, presence, server, log, connect, joined, roundTrips };
}

/** A signal about oneself in the channel `room`. */
export const control = (
  op: "peer_online" | "peer_state" | "peer_offline",
  p = "",
  pl?: Uint8Array,
) => ({ t: "control", op, c: "room", p, ...(pl === undefined ? {} : { pl }) }) as const;
