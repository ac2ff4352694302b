import { join, resolve } from "node:path";
import { httpPublisher } from "../load/http-publisher.ts";
import { type Announced, logEntry, loopback, startListening } from "../processes.ts";
import { versionIn } from "./installed-version.ts";
import type { HttpPeer, RunningPeer } from "./peer.ts";
import { socketIoDialect } from "./socketio-dialect.ts";

const gateway = resolve(import.meta.dir, "../../../packages/gateway");
const contentType = "application/json";

const publication = (channel: string, data: string): string =>
  `{"channel":"${channel}","event":"${channel}","data":${data}}`;

/** Addresses in the line with which the gateway says that all of its processes listen. */
export function gatewayAnnounced(line: string): Announced {
  const entry = logEntry(line);
  if (entry?.msg !== "started") return {};
  return { publisher: loopback(entry.publisherUrl), subscriber: loopback(entry.subscriberUrl) };
}

/**
 * Starts this repository's gateway as `npm start` runs it in development: one process, without the
 * token check and without limits for connecting.
 */
export function startGateway(
  directory: string,
  environment: Readonly<Record<string, string>>,
  announced: (line: string) => Announced = gatewayAnnounced,
): Promise<RunningPeer> {
  return startListening({
    command: [process.execPath, join(gateway, "src/cli/main.ts"), "start"],
    directory,
    announced,
    environment: {
      PRODUCER_PORT: "0",
      CONSUMER_PORT: "0",
      STATE_DIR: join(directory, "state"),
      LOG_LEVEL: "info",
      // A process of its own, which only the mode of that name measures.
      WEBTRANSPORT: "0",
      // A server that still drained would share the machine with the next trial.
      DRAIN_SECONDS: "0",
      CONNECT_RATE_PER_USER: "0",
      CONNECT_RATE_PER_ADDRESS: "0",
      ...environment,
    },
  });
}

export function gatewayVersions(): Record<string, string> {
  return { starling: versionIn(join(gateway, "package.json")), bun: Bun.version };
}

export const starling: HttpPeer = {
  name: "starling",
  versions: gatewayVersions,
  start: ({ directory }) => startGateway(directory, {}),
  subscriber: socketIoDialect,
  publisher: (url) => httpPublisher(url, starling),
  endpoints: [
    {
      name: "POST /api/publish",
      delivers: true,
      request: (channel, data) => ({
        path: "/api/publish",
        contentType,
        body: publication(channel, data),
      }),
    },
    {
      name: "POST /publish",
      delivers: true,
      request: (channel, data) => ({
        path: "/publish",
        contentType,
        body: `{"target_id":"${channel}",${data.slice(1)}`,
      }),
    },
  ],
  batch: (channel, data) => ({
    path: "/api/batch",
    contentType,
    body: `{"publications":[${data.map((one) => publication(channel, one)).join(",")}]}`,
  }),
};
