import { join } from "node:path";
import { httpPublisher } from "../load/http-publisher.ts";
import { startListening } from "../processes.ts";
import type { HttpPeer, PresencePeer, Server } from "./peer.ts";
import { plainDialect } from "./plain-dialect.ts";
import { socketIoEvent } from "./socketio-dialect.ts";

const server = join(import.meta.dir, "raw-bun-server.ts");
const contentType = "text/plain";

const rawServer: Server = {
  name: "raw-bun",
  versions: () => ({ bun: Bun.version }),
  start: ({ certificate, directory }) =>
    startListening({
      command: [process.execPath, server],
      directory,
      environment: { CERTIFICATE: certificate.certificate, KEY: certificate.key },
    }),
};

/** `Bun.serve` with native topics and no protocol of its own: the least that this runtime can do. */
export const rawBun: HttpPeer = {
  ...rawServer,
  subscriber: (user) => plainDialect(`/?topic=${user}`),
  publisher: (url) => httpPublisher(url, rawBun),
  endpoints: [
    {
      name: "POST /publish",
      delivers: true,
      request: (channel, data) => ({
        path: `/publish?topic=${channel}`,
        contentType,
        body: socketIoEvent(channel, data),
      }),
    },
    {
      name: "POST /ok",
      delivers: false,
      request: (_channel, data) => ({ path: "/ok", contentType, body: data }),
    },
  ],
  batch: (channel, data) => ({
    path: `/batch?topic=${channel}`,
    contentType,
    body: data.map((one) => socketIoEvent(channel, one)).join("\n"),
  }),
};

/** The same for members: `ws.publish()` of what a member sends to the others. */
export const rawBunPresence: PresencePeer = {
  ...rawServer,
  memberPath: (channel) => `/?topic=${encodeURIComponent(channel)}`,
  speaksSignals: false,
  conflates: false,
};
