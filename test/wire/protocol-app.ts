/**
 * Serves Starling's protocol code, and nothing else of it, over plain HTTP with short timings, so
 * that the conformance suites of both protocols can run against it.
 *
 * Usage: bun test/wire/protocol-app.ts engine|socket PORT
 */
import { Counters } from "@starling/core/hub/counters.ts";
import type { Log } from "@starling/core/ports.ts";
import type { EngineHandler } from "@starling/core/sessions/engine/context.ts";
import { EngineServer } from "@starling/core/sessions/engine/server.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { SocketIoApplication } from "@starling/core/sessions/socketio/application.ts";
import { SocketIoServer } from "@starling/core/sessions/socketio/server.ts";
import { EngineEndpoint } from "@starling/gateway/listeners/engine-endpoint.ts";
import { OriginPolicy } from "@starling/gateway/listeners/origin-policy.ts";
import { BunFanout, socketHandlers } from "@starling/gateway/listeners/sockets.ts";
import { systemClock, systemRandom } from "@starling/gateway/runtime/system.ts";

const MAX_PAYLOAD_BYTES = 1_000_000;
const SLOW_CONSUMER_BYTES = 1_048_576;
const AUTH_DELAY_MS = 5;

const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => console.error(message, fields),
  error: (fields, message) => console.error(message, fields),
};

const counters = new Counters();
const fanout = new BunFanout();

const echoHandler: EngineHandler<undefined> = {
  admit: () => undefined,
  createData: () => undefined,
  open: () => undefined,
  message: (session, message) => session.send(message),
  upgraded: () => undefined,
  close: () => undefined,
  leave: () => Promise.resolve(),
};

const application: SocketIoApplication<undefined> = {
  admit: () => undefined,
  remember: () => undefined,
  hasNamespace: (name) => name === "/" || name === "/custom",
  connect: () => undefined,
  connected(connection, auth) {
    // Apart from the packet before: the suite's clients miss the second of two that come in one read.
    setTimeout(() => connection.emit("auth", auth), AUTH_DELAY_MS);
  },
  event(connection, { name, args, acknowledge }) {
    if (connection.namespace !== "/") return;
    if (name === "message") connection.emit("message-back", ...args);
    if (name === "message-with-ack") acknowledge?.(...args);
  },
  abandoned: () => undefined,
  upgraded: () => undefined,
  disconnected: () => undefined,
  leave: () => Promise.resolve(),
};

function serve<Data>(handler: EngineHandler<Data>, path: string, port: number): string {
  const engine = new EngineServer({
    handler,
    clock: systemClock,
    random: systemRandom,
    log,
    counters,
    fanout,
    pingIntervalMs: 300,
    pingTimeoutMs: 200,
    maxPayloadBytes: MAX_PAYLOAD_BYTES,
    slowConsumerBytes: SLOW_CONSUMER_BYTES,
  });
  const endpoint = new EngineEndpoint({
    engine,
    origins: new OriginPolicy(["*"]),
    maxPayloadBytes: MAX_PAYLOAD_BYTES,
    clientAddress: (request, server) => server.requestIP(request)?.address ?? "",
  });
  const server = Bun.serve<SocketHandler>({
    port,
    // Every address of the machine, since some clients take "localhost" for ::1 alone.
    hostname: "::",
    fetch(request, bunServer) {
      if (new URL(request.url).pathname !== path) return new Response(null, { status: 404 });
      return endpoint.fetch(request, bunServer);
    },
    websocket: socketHandlers({
      maxPayloadBytes: MAX_PAYLOAD_BYTES,
      slowConsumerBytes: SLOW_CONSUMER_BYTES,
    }),
  });
  fanout.use(server);
  return `http://127.0.0.1:${server.port}`;
}

function main(protocol: string | undefined, port: number): string {
  if (protocol === "engine") return serve(echoHandler, "/engine.io/", port);
  if (protocol !== "socket") throw new Error("usage: protocol-app.ts engine|socket PORT");
  const handler = new SocketIoServer({
    application,
    clock: systemClock,
    random: systemRandom,
    log,
    counters,
    authTimeoutMs: 1_000,
    maxHandshakes: 1_000,
  });
  return serve(handler, "/socket.io/", port);
}

console.log(`listening on ${main(process.argv[2], Number(process.argv[3]))}`);
