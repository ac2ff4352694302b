import { Authenticator } from "../auth/authenticator.ts";
import type { JwtVerifier } from "../auth/jwt.ts";
import { PublicKeys } from "../auth/public-keys.ts";
import { RotatingToken } from "../auth/rotating-token.ts";
import { Counters } from "../hub/counters.ts";
import { Hub } from "../hub/hub.ts";
import type { AppConfig } from "../hub/namespace.ts";
import { RateLimiter } from "../limits/rate-limiter.ts";
import { EngineServer } from "../sessions/engine/server.ts";
import { ChannelApplication } from "../sessions/socketio/channel-application.ts";
import { ClientAuth } from "../sessions/socketio/client-auth.ts";
import { SocketIoServer } from "../sessions/socketio/server.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeNetwork, type FakeSocket } from "./fake-network.ts";
import { RecordingLog } from "./recording-log.ts";
import { SeededRandom } from "./seeded-random.ts";

export const ALICE = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
export const BOB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
const UUID = /^[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$/i;

export interface Settings {
  readonly withToken?: boolean;
  readonly perUser?: number;
  readonly perAddress?: number;
  readonly maxHandshakes?: number;
  readonly jwt?: JwtVerifier;
  readonly clock?: FakeClock;
  readonly maxConnections?: number;
  readonly maxChannels?: number;
}

/** Channels for Socket.IO clients over a network in memory, as the settings want them. */
export function setUp(settings: Settings = {}) {
  const { withToken, perUser = 0, perAddress = 0, maxHandshakes = 10, jwt } = settings;
  const { maxConnections = 0, maxChannels = 0 } = settings;
  const { clock = new FakeClock() } = settings;
  const network = new FakeNetwork();
  const counters = new Counters();
  const log = new RecordingLog();
  const random = new SeededRandom();
  const anyone = { subscribe: "anyone", publish: "anyone", volatile: false } as const;
  const readOnly = { ...anyone, publish: "nobody" } as const;
  const apps = new Map<string, AppConfig>([
    [
      "default",
      {
        namespaces: new Map<string, typeof anyone | typeof readOnly>([
          ["open", anyone],
          ["news", readOnly],
        ]),
      },
    ],
    ["shop", { namespaces: new Map(), maxConnections, maxChannels }],
  ]);
  const hub = new Hub({
    fanout: network,
    clock,
    counters,
    apps,
    slowConsumerBytes: 1024,
    maxChannelsPerConnection: 3,
  });
  const token = new RotatingToken({
    secret: "a secret",
    renewStartHour: 0,
    renewIntervalMs: 86_400_000,
    graceMs: 300_000,
    clock,
  });
  const handler = new SocketIoServer({
    application: new ChannelApplication({
      hub,
      apps,
      auth: new ClientAuth({
        rotating: withToken === true ? token : undefined,
        authenticator: new Authenticator({
          apps,
          publicKeys: new PublicKeys({ keys: new Map() }),
          jwt,
          webhook: undefined,
          anonymousSse: false,
        }),
        acceptsJwt: jwt !== undefined,
        hasWebhook: false,
        anonymous: withToken !== true && jwt === undefined,
        userIdPattern: UUID,
      }),
      messageRate: { ratePerSecond: 10, burst: 20 },
      clock,
      userRate: new RateLimiter({ ratePerSecond: perUser, clock }),
      addressRate: new RateLimiter({ ratePerSecond: perAddress, clock }),
      counters,
      log,
    }),
    clock,
    random,
    log,
    counters,
    authTimeoutMs: 10_000,
    maxHandshakes,
  });
  const engine = new EngineServer({
    handler,
    clock,
    random,
    log,
    counters,
    fanout: network,
    pingIntervalMs: 25_000,
    pingTimeoutMs: 20_000,
    maxPayloadBytes: 1_000_000,
    slowConsumerBytes: 1024,
  });
  const handshake = (query: string, address = "192.0.2.1") =>
    engine.admitSocket({
      query: new URLSearchParams(`EIO=4&transport=websocket&${query}`),
      address,
      origin: null,
    });
  const open = (user?: string, address?: string) => {
    const socket = network.socket();
    const admission = handshake(user === undefined ? "" : `uniqueUserId=${user}`, address);
    if ("refusal" in admission) throw new Error(admission.refusal.body);
    admission.session.opened(socket);
    socket.received.length = 0;
    return {
      socket,
      say: (...messages: (string | Uint8Array)[]) => {
        for (const message of messages) admission.session.message(socket, message);
      },
      close: () => {
        socket.terminate();
        admission.session.closed(socket);
      },
    };
  };
  const connect = (user?: string, auth = "") => {
    const client = open(user);
    client.say(`40${auth}`);
    return client;
  };
  return { clock, network, counters, hub, token, engine, handshake, open, connect };
}

export const publication = (channel: string, data = "1") => ({
  app: "default",
  channel,
  event: channel,
  data,
});

/** The text packets that reached the client, and the socket cleared of them. */
export const taken = (socket: FakeSocket) => socket.received.splice(0).map(String);
