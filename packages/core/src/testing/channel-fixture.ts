import type { JwtVerifier } from "../auth/jwt.ts";
import { WorkerHandlers } from "../broker/handlers.ts";
import { publicationHolding } from "../broker/holdings.ts";
import { LocalBroker } from "../broker/local.ts";
import { Node } from "../broker/node.ts";
import type { AppConfig, NamespaceConfig } from "../hub/namespace.ts";
import type { Publication } from "../hub/publication.ts";
import type { SocketAdmission } from "../sessions/engine/server.ts";
import { FakeClock } from "./fake-clock.ts";
import type { FakeSocket } from "./fake-network.ts";
import { SeededRandom } from "./seeded-random.ts";
import { socketIoWorker } from "./socketio-worker.ts";

export const ALICE = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
export const BOB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

export interface Settings {
  readonly withToken?: boolean;
  readonly perUser?: number;
  readonly perAddress?: number;
  readonly maxHandshakes?: number;
  readonly jwt?: JwtVerifier;
  readonly clock?: FakeClock;
  readonly maxConnections?: number;
  readonly maxChannels?: number;
  /** More namespaces of the default app. */
  readonly namespaces?: Readonly<Record<string, NamespaceConfig>>;
  /** Milliseconds for which connections that broke are kept. */
  readonly recoveryMs?: number;
}

/** A namespace that keeps the last ten publications of each channel for whoever was away. */
export const recoverable: NamespaceConfig = {
  subscribe: "anyone",
  publish: "anyone",
  volatile: false,
  history: { size: 10, ttlMs: 60_000 },
  recover: true,
};

/** The default app with the open namespace `open` and the read-only `news`, and the app `shop`. */
export function testApps({
  namespaces: more = {},
  ...limits
}: Pick<Settings, "maxConnections" | "maxChannels" | "namespaces"> = {}) {
  const anyone = { subscribe: "anyone", publish: "anyone", volatile: false } as const;
  const readOnly = { ...anyone, publish: "nobody" } as const;
  const namespaces = new Map<string, NamespaceConfig>([
    ["open", anyone],
    ["news", readOnly],
    ...Object.entries(more),
  ]);
  return new Map<string, AppConfig>([
    ["default", { namespaces }],
    ["shop", { namespaces: new Map(), ...limits }],
  ]);
}

/** A node whose rates are off unless they are given. */
export function testNode(
  clock: FakeClock,
  apps: ReadonlyMap<string, AppConfig>,
  { perUser = 0, perAddress = 0 }: Pick<Settings, "perUser" | "perAddress"> = {},
): Node<Publication> {
  return new Node<Publication>(
    {
      clock,
      random: new SeededRandom(),
      apps,
      rates: {
        user: { ratePerSecond: perUser },
        address: { ratePerSecond: perAddress },
        api: { ratePerSecond: 0 },
      },
      idempotencyWindowMs: 0,
    },
    publicationHolding,
  );
}

/** Channels for Socket.IO clients of a single worker, as the settings want them. */
export function setUp(settings: Settings = {}) {
  const { withToken, maxHandshakes, jwt, recoveryMs, clock = new FakeClock() } = settings;
  const apps = testApps(settings);
  const handlers = new WorkerHandlers();
  const broker = new LocalBroker(testNode(clock, apps, settings), 0, handlers, { isAlone: true });
  const worker = socketIoWorker({
    clock,
    apps,
    broker,
    handlers,
    withToken,
    maxHandshakes,
    jwt,
    recoveryMs,
  });
  const { network, engine } = worker;
  const handshake = (query: string, address = "192.0.2.1"): SocketAdmission => {
    const admission = engine.admitSocket({
      query: new URLSearchParams(`EIO=4&transport=websocket&${query}`),
      address,
      origin: null,
    });
    if (admission instanceof Promise) throw new Error("a single worker has nobody to ask");
    return admission;
  };
  const open = (user?: string, address?: string) => {
    const socket = network.socket();
    const admission = handshake(user === undefined ? "" : `uniqueUserId=${user}`, address);
    if ("refusal" in admission) throw new Error(admission.refusal.body);
    const { handler } = admission;
    handler.opened(socket);
    socket.received.length = 0;
    return {
      socket,
      say: (...messages: (string | Uint8Array)[]) => {
        for (const message of messages) handler.message(socket, message);
      },
      close: () => {
        socket.terminate();
        handler.closed(socket, 1006);
      },
    };
  };
  const connect = (user?: string, auth = "") => {
    const client = open(user);
    client.say(`40${auth}`);
    return client;
  };
  const publish = (...args: Parameters<typeof worker.hub.publish>): number => {
    const reached = worker.hub.publish(...args);
    if (reached instanceof Promise) throw new Error("a single worker has nobody to ask");
    return reached.subscribers;
  };
  /** Channels that have subscribers. */
  const channels = (): string[] => {
    const page = worker.hub.channels("default", { prefix: "", limit: 100 });
    if (page instanceof Promise) throw new Error("a single worker has nobody to ask");
    return page.channels.map(({ channel }) => channel);
  };
  return { ...worker, handshake, open, connect, publish, channels };
}

export const publication = (channel: string, data = "1") => ({
  app: "default",
  channel,
  event: channel,
  data,
});

/** The text packets that reached the client, and the socket cleared of them. */
export const taken = (socket: FakeSocket) => socket.received.splice(0).map(String);
