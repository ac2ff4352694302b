import type { Authenticator } from "@starling/core/auth/authenticator.ts";
import type { Broker } from "@starling/core/broker/broker.ts";
import type { Counters } from "@starling/core/hub/counters.ts";
import { addressLimitKey } from "@starling/core/limits/address.ts";
import type { Log, Random } from "@starling/core/ports.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { SseServer } from "@starling/core/sessions/sse/server.ts";
import type { SseSession } from "@starling/core/sessions/sse/session.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Server } from "bun";
import { bearerToken } from "./bearer-token.ts";
import type { ClientAddress } from "./client-address.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import { queryOf } from "./request-url.ts";
import { RETRY_MS, refusedStream } from "./sse-refusal.ts";
import type { Endpoint } from "./subscriber-listener.ts";

export interface SseEndpointOptions {
  readonly sse: SseServer;
  readonly authenticator: Authenticator;
  readonly origins: OriginPolicy;
  readonly counters: Counters;
  readonly clientAddress: ClientAddress;
  /** Counts the rate by address. */
  readonly broker: Pick<Broker, "take">;
  /** Bytes that may wait for one client. */
  readonly slowConsumerBytes: number;
  readonly random: Random;
  readonly log: Log;
}

/** `/events`: publications as server-sent events. */
export class SseEndpoint implements Endpoint {
  readonly #options: SseEndpointOptions;

  constructor(options: SseEndpointOptions) {
    this.#options = options;
  }

  async fetch(request: Request, server: Server<SocketHandler>): Promise<Response> {
    const { origins, counters, random, log } = this.#options;
    if (request.method === "OPTIONS" && origins.allows(request)) return origins.preflight(request);
    const headers = origins.allows(request) ? origins.headers(request) : {};
    try {
      const session = await this.#admit(request, server);
      // The stream is silent between heartbeats, far longer than a request may be.
      server.timeout(request, 0);
      return await this.#stream(request, server, session, headers);
    } catch (error) {
      counters.refusedHandshakes++;
      if (!(error instanceof StarlingError)) log.error({ error }, "a stream could not be opened");
      const known = error instanceof StarlingError ? error : new StarlingError("internal");
      return refusedStream(request, known, random, headers);
    }
  }

  async #admit(request: Request, server: Server<SocketHandler>): Promise<SseSession> {
    const { sse, authenticator, origins, broker } = this.#options;
    if (request.method !== "GET") throw new StarlingError("method_not_allowed");
    if (!origins.allows(request)) throw new StarlingError("origin_forbidden");
    const address = this.#options.clientAddress(request, server);
    const waitMs = await broker.take("address", addressLimitKey(address));
    if (waitMs > 0) throw new StarlingError("rate_limit_block");
    const query = new URLSearchParams(queryOf(request.url));
    const identity = await authenticator.authenticate({
      protocol: "sse",
      app: query.get("app") ?? undefined,
      key: query.get("publickey") ?? undefined,
      token: query.get("token") ?? bearerToken(request.headers),
      id: query.get("id") ?? undefined,
      origin: request.headers.get("origin") ?? undefined,
      address,
    });
    return sse.create(identity, {
      channels: [...new Set(query.getAll("channel"))],
      envelope: query.get("envelope") === "1",
      // What a client saw last stands in the header, once it has come back by itself.
      lastEventId: request.headers.get("last-event-id") || query.get("lastEventId") || undefined,
      last: query.get("last") ?? undefined,
    });
  }

  async #stream(
    request: Request,
    server: Server<SocketHandler>,
    session: SseSession,
    headers: Record<string, string>,
  ): Promise<Response> {
    const limit = this.#options.slowConsumerBytes;
    const encoder = new TextEncoder();
    const opened = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const stream = {
            write: (text: string) => controller.enqueue(encoder.encode(text)),
            get bufferedAmount() {
              return limit - (controller.desiredSize ?? 0);
            },
            close: () => controller.close(),
            abort() {
              server.timeout(request, 1);
              controller.error(new Error("the client did not read"));
            },
          };
          const done = session.open(stream, RETRY_MS);
          // Nobody reads the body yet, so nobody would notice that the client has gone.
          if (done !== undefined) {
            request.signal.addEventListener("abort", () => session.closed(), { once: true });
          }
          opened.resolve(done);
        },
        cancel: () => session.closed(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: limit }),
    );
    await opened.promise;
    return new Response(body, {
      headers: {
        ...headers,
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        // Tells nginx to pass each event on at once.
        "x-accel-buffering": "no",
      },
    });
  }
}
