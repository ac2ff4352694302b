import { bearerTokenOf } from "@starling/core/auth/bearer-token.ts";
import type { AllowedOrigins } from "@starling/core/limits/allowed-origins.ts";
import type { EngineServer } from "@starling/core/sessions/engine/server.ts";
import type { EngineStreams } from "@starling/core/sessions/engine/stream-transport.ts";
import { errorCatalogue } from "@starling/protocol/errors.ts";
import type { WebTransportRequest } from "@starling/webtransport/request.ts";
import { queryOf } from "./request-path.ts";

export interface SocketIoEndpointOptions {
  readonly engine: Pick<EngineServer<unknown>, "admitStream" | "counters">;
  readonly streams: Pick<EngineStreams, "serve">;
  readonly origins: AllowedOrigins;
}

/** `/socket.io/`: handshakes of stock Socket.IO clients over WebTransport. */
export class SocketIoEndpoint {
  readonly #options: SocketIoEndpointOptions;

  constructor(options: SocketIoEndpointOptions) {
    this.#options = options;
  }

  async handle(request: WebTransportRequest): Promise<void> {
    const { engine, streams, origins } = this.#options;
    const origin = request.header("origin") ?? null;
    if (!origins.allows(origin, request.authority)) {
      engine.counters.refusedHandshakes++;
      request.reject(errorCatalogue.origin_forbidden.status);
      return;
    }
    const admission = await engine.admitStream({
      query: queryOf(request.path),
      address: request.remoteAddress.hostname,
      origin,
      bearer: bearerTokenOf(request.header("authorization") ?? null),
    });
    if ("refusal" in admission) {
      request.reject(admission.refusal.status);
      return;
    }
    const session = request.accept();
    if (session !== undefined) session.events = streams.serve(session, admission.handler);
  }
}
