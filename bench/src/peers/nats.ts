import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Connection } from "../load/connection.ts";
import { type Announced, startListening } from "../processes.ts";
import { debianVersion, endsWithBench, installed } from "./debian.ts";
import { NatsDialect, natsPublications } from "./nats-dialect.ts";
import type { CertificateFiles, Peer, Publisher } from "./peer.ts";

const PACKAGE = "nats-server";
const CONNECT_TIMEOUT_MS = 10_000;

const program = (): string => installed("nats", "nats-server", [PACKAGE]);

/** nats-server from Debian: subscribers and publishers speak NATS over its TLS WebSocket. */
export const nats: Peer = {
  name: "nats",
  versions: () => {
    program();
    return { "nats-server": debianVersion(PACKAGE) };
  },
  start: ({ certificate, directory }) => {
    const file = join(directory, "nats.conf");
    writeFileSync(file, natsConfiguration(certificate));
    return startListening({
      command: endsWithBench([program(), "--config", file]),
      directory,
      environment: {},
      announced: natsAnnounced,
    });
  },
  subscriber: (user) => new NatsDialect(user),
  publisher: (url) => natsPublisher(url),
};

/** The port -1 lets the system choose. */
function natsConfiguration({ certificate, key }: CertificateFiles): string {
  return [
    'host: "127.0.0.1"',
    "port: -1",
    "websocket {",
    '  host: "127.0.0.1"',
    "  port: -1",
    `  tls { cert_file: ${JSON.stringify(certificate)}, key_file: ${JSON.stringify(key)} }`,
    "}",
    "",
  ].join("\n");
}

/** Reads the log line that names the address of the WebSocket listener. */
export function natsAnnounced(line: string): Announced {
  const found = /Listening for websocket clients on wss:\/\/(\S+)$/.exec(line)?.[1];
  if (found === undefined) return {};
  const url = new URL(`https://${found}/`);
  return { publisher: url, subscriber: url };
}

async function natsPublisher(url: URL): Promise<Publisher> {
  let answered = Promise.withResolvers<void>();
  const connection = await Connection.open(
    url,
    new NatsDialect(undefined, () => answered.resolve()),
    {
      received: () => undefined,
      closed: () => answered.reject(new Error("nats-server closed the publisher's connection")),
    },
    CONNECT_TIMEOUT_MS,
  );
  return {
    publish: async (channel, data) => {
      answered = Promise.withResolvers();
      connection.send(natsPublications(channel, data));
      await answered.promise;
    },
  };
}
