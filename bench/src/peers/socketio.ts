import { join } from "node:path";
import { httpPublisher } from "../load/http-publisher.ts";
import { startListening } from "../processes.ts";
import { installedVersion } from "./installed-version.ts";
import type { HttpPeer } from "./peer.ts";
import { socketIoDialect } from "./socketio-dialect.ts";

const server = join(import.meta.dir, "socketio-server.mjs");
const contentType = "application/json";

function node(): string {
  const path = Bun.which("node");
  if (path === null) throw new Error("the peer socket.io needs Node.js: no `node` in PATH");
  return path;
}

/** The stock stack: socket.io 4 for subscribers and Express 4 for publishers, both on Node.js. */
export const socketIo: HttpPeer = {
  name: "socket.io",
  versions: () => ({
    node: Bun.spawnSync([node(), "--version"]).stdout.toString().trim().replace(/^v/, ""),
    "socket.io": installedVersion("socket.io"),
    express: installedVersion("express"),
  }),
  start: ({ certificate, directory }) =>
    startListening({
      command: [node(), server],
      directory,
      environment: {
        NODE_ENV: "production",
        CERTIFICATE: certificate.certificate,
        KEY: certificate.key,
      },
    }),
  subscriber: socketIoDialect,
  publisher: (url) => httpPublisher(url, socketIo),
  endpoints: [
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
    path: "/batch",
    contentType,
    body: `{"target_id":"${channel}","messages":[${data.join(",")}]}`,
  }),
};
