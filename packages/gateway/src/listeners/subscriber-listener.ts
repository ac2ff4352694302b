import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import { errorBody, StarlingError } from "@starling/protocol/errors.ts";
import type { Server } from "bun";
import type { TlsMaterial } from "../certificates/material.ts";
import { pathOf } from "./request-url.ts";
import { type SocketOptions, socketHandlers } from "./sockets.ts";

/** What answers the requests below one path. */
export interface Endpoint {
  /** Answers undefined when the request became a WebSocket. */
  fetch(
    request: Request,
    server: Server<SocketHandler>,
  ): Response | undefined | Promise<Response | undefined>;
}

export interface SubscriberListenerOptions {
  readonly host: string;
  /** TCP port; 0 lets the system choose. */
  readonly port: number;
  /** Whether other processes listen on the port as well. */
  readonly shared: boolean;
  readonly tls: TlsMaterial;
  readonly sockets: SocketOptions;
  /** Endpoints by the exact path that they answer. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** Answers whatever is at none of those paths; undefined where nothing is. */
  readonly otherwise: Endpoint | undefined;
  /** Headers of the answer to a WebSocket handshake at none of those paths. */
  readonly handshakeHeaders: Readonly<Record<string, string>>;
  /** Gets every answer before it leaves. */
  finish(answer: Response): Response;
  onError(error: Error): void;
}

/** Listens for subscribers: HTTPS and WSS on one port. */
export function listenForSubscribers(options: SubscriberListenerOptions): Server<SocketHandler> {
  return Bun.serve<SocketHandler>({
    hostname: options.host,
    port: options.port,
    reusePort: options.shared,
    tls: { cert: options.tls.cert, key: options.tls.key },
    fetch(request, server) {
      const answer = answerOf(request, server, options);
      if (answer instanceof Promise) {
        return answer.then((settled) => settled && options.finish(settled));
      }
      return answer && options.finish(answer);
    },
    error(error) {
      options.onError(error);
      return Response.json(errorBody(new StarlingError("internal")), { status: 500 });
    },
    websocket: socketHandlers(options.sockets),
  });
}

function answerOf(
  request: Request,
  server: Server<SocketHandler>,
  options: SubscriberListenerOptions,
): ReturnType<Endpoint["fetch"]> {
  const path = pathOf(request.url);
  const endpoint = options.endpoints.get(path);
  if (endpoint !== undefined) return endpoint.fetch(request, server);
  if (isHandshake(request)) return cannot(request.method, path, options.handshakeHeaders);
  return options.otherwise?.fetch(request, server) ?? cannot(request.method, path);
}

function isHandshake(request: Request): boolean {
  return request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/** Monitors of existing installations test for this answer. */
function cannot(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(`Cannot ${method} ${path}`, {
    status: 404,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
