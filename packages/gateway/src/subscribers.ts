import { RotatingToken } from "@starling/core/auth/rotating-token.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import type { Hub } from "@starling/core/hub/hub.ts";
import { AddressList } from "@starling/core/limits/address-list.ts";
import { clientAddress } from "@starling/core/limits/client-address.ts";
import { RateLimiter } from "@starling/core/limits/rate-limiter.ts";
import type { Clock, Log, Random } from "@starling/core/ports.ts";
import { EngineServer } from "@starling/core/sessions/engine/server.ts";
import { ChannelApplication } from "@starling/core/sessions/socketio/channel-application.ts";
import type { SocketIoClient } from "@starling/core/sessions/socketio/client.ts";
import { SocketIoServer } from "@starling/core/sessions/socketio/server.ts";
import type { Config } from "./config/config.ts";
import { EngineEndpoint } from "./listeners/engine-endpoint.ts";
import { OriginPolicy } from "./listeners/origin-policy.ts";
import type { BunFanout } from "./listeners/sockets.ts";

export interface SubscriberOptions {
  readonly config: Config;
  readonly hub: Hub;
  readonly fanout: BunFanout;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface SocketIoService {
  readonly engine: EngineServer<SocketIoClient<string | undefined>>;
  readonly endpoint: EngineEndpoint<SocketIoClient<string | undefined>>;
}

/** Puts together everything that serves Socket.IO subscribers. */
export function createSocketIoService(options: SubscriberOptions): SocketIoService {
  const { config, hub, fanout, counters, clock, random, log } = options;
  const application = new ChannelApplication({
    hub,
    apps: config.apps,
    token: config.token.required ? new RotatingToken({ ...config.token, clock }) : undefined,
    userIdPattern: config.eventIdPattern,
    userRate: new RateLimiter({ ratePerSecond: config.connectRatePerUser, clock }),
    addressRate: new RateLimiter({ ratePerSecond: config.connectRatePerAddress, clock }),
    counters,
    log,
  });
  const handler = new SocketIoServer({
    application,
    clock,
    random,
    log,
    counters,
    authTimeoutMs: config.authTimeoutMs,
    maxHandshakes: config.maxHandshakes,
  });
  const engine = new EngineServer({
    handler,
    clock,
    random,
    log,
    counters,
    fanout,
    ...config.engine,
    slowConsumerBytes: config.slowConsumerBytes,
  });
  const proxies = config.useProxy ? AddressList.parse(config.trustProxy) : undefined;
  const endpoint = new EngineEndpoint({
    engine,
    origins: new OriginPolicy(config.allowedOrigins),
    maxPayloadBytes: config.engine.maxPayloadBytes,
    clientAddress(request, server) {
      const peer = server.requestIP(request)?.address ?? "";
      // Subscribers may also come directly; only the publisher port insists on its proxies.
      if (proxies?.contains(peer) !== true) return peer;
      return clientAddress(peer, request.headers, proxies);
    },
  });
  return { engine, endpoint };
}
