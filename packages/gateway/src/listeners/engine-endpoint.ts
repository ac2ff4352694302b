import { type Answer, whenAnswered } from "@starling/core/answer.ts";
import { catalogueRefusal, type HttpAnswer } from "@starling/core/sessions/engine/http.ts";
import type { EngineServer, SocketAdmission } from "@starling/core/sessions/engine/server.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Server } from "bun";
import { bearerToken } from "./bearer-token.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import { readBody, TOO_LARGE } from "./read-body.ts";
import { queryOf } from "./request-url.ts";

export interface EngineEndpointOptions<Data> {
  readonly engine: EngineServer<Data>;
  readonly origins: OriginPolicy;
  /** Bytes of the largest long-polling body. */
  readonly maxPayloadBytes: number;
  /** The client's address, behind proxies the one that the trusted proxies report. */
  clientAddress(request: Request, server: Server<SocketHandler>): string;
}

/** Seconds after which a connection is closed that takes nothing of its answer or asks nothing. */
const IDLE_TIMEOUT = 10;

/** Carries Engine.IO over the HTTP and WebSocket server of Bun. */
export class EngineEndpoint<Data> {
  readonly #options: EngineEndpointOptions<Data>;

  constructor(options: EngineEndpointOptions<Data>) {
    this.#options = options;
  }

  /** Answers undefined when the request became a WebSocket. */
  fetch(request: Request, server: Server<SocketHandler>): Answer<Response | undefined> {
    const { engine, origins } = this.#options;
    if (!origins.allows(request)) {
      engine.counters.refusedHandshakes++;
      return toResponse(catalogueRefusal("origin_forbidden"), {});
    }
    if (request.method === "OPTIONS") return origins.preflight(request);
    const query = new URLSearchParams(queryOf(request.url));
    const origin = request.headers.get("origin");
    const bearer = bearerToken(request.headers);
    const address = this.#address(request, server);
    if (typeof address !== "string") return toResponse(address, origins.headers(request));
    if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
      return whenAnswered(engine.admitSocket({ query, address, origin, bearer }), (admission) =>
        upgrade(request, server, admission),
      );
    }
    const headers = origins.headers(request);
    const answer = engine.handleRequest({
      method: request.method,
      query,
      address,
      origin,
      bearer,
      announcedBytes: announcedBytes(request.headers),
      readBody: () => this.#readBody(request),
      onAbort: (callback) => {
        // A poll waits for the next ping at the longest, far beyond the listener's idle timeout.
        server.timeout(request, 0);
        request.signal.addEventListener("abort", callback, { once: true });
      },
    });
    if (!(answer instanceof Promise)) return toResponse(answer, headers);
    return answer.then((settled) => {
      // The setting outlives its request: a peer that has vanished would keep its connection for ever.
      server.timeout(request, IDLE_TIMEOUT);
      return toResponse(settled, headers);
    });
  }

  #address(request: Request, server: Server<SocketHandler>): string | HttpAnswer {
    try {
      return this.#options.clientAddress(request, server);
    } catch (error) {
      if (error instanceof StarlingError) return catalogueRefusal(error.errorName);
      throw error;
    }
  }

  async #readBody(request: Request): Promise<string | HttpAnswer> {
    const body = await readBody(request, this.#options.maxPayloadBytes);
    return body === TOO_LARGE ? catalogueRefusal("body_too_large") : new TextDecoder().decode(body);
  }
}

/** Answers undefined when the request became a WebSocket. */
function upgrade(
  request: Request,
  server: Server<SocketHandler>,
  admission: SocketAdmission,
): Response | undefined {
  if ("refusal" in admission) return toResponse(admission.refusal, {});
  if (server.upgrade(request, { data: admission.handler })) return undefined;
  return new Response("not a WebSocket handshake", { status: 400 });
}

function announcedBytes(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  return length === null ? undefined : Number(length);
}

function toResponse(answer: HttpAnswer, headers: Record<string, string>): Response {
  return new Response(answer.body, {
    status: answer.status,
    headers: { ...headers, "content-type": answer.contentType, "cache-control": "no-store" },
  });
}
