import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Announced, startListening } from "../processes.ts";
import { debianVersion, endsWithBench, installed } from "./debian.ts";
import type { Server, StartContext } from "./peer.ts";
import { gatewayVersions } from "./starling.ts";

const PACKAGE = "nats-server";

const program = (): string => installed(PACKAGE, PACKAGE, [PACKAGE]);

/** nats-server from Debian with JetStream, between nodes of Starling. */
export const natsMesh: Server = {
  name: PACKAGE,
  versions: () => ({ ...gatewayVersions(), ...natsServerVersion() }),
  start: startNats,
};

export function natsServerVersion(): Record<string, string> {
  program();
  return { [PACKAGE]: debianVersion(PACKAGE) };
}

/** A server with JetStream on a port that the system chooses. */
export function startNats({ directory }: Pick<StartContext, "directory">) {
  const file = join(directory, "nats.conf");
  const folder = JSON.stringify(join(directory, "jetstream"));
  writeFileSync(file, `listen: "127.0.0.1:-1"\njetstream { store_dir: ${folder} }\n`);
  return startListening({
    command: endsWithBench([program(), "--config", file]),
    directory,
    environment: {},
    announced: natsClientsAnnounced,
  });
}

/** Reads the log line that names the address of the listener for clients. */
export function natsClientsAnnounced(line: string): Announced {
  const found = /Listening for client connections on (\S+)$/.exec(line)?.[1];
  if (found === undefined) return {};
  const url = new URL(`nats://${found}`);
  return { publisher: url, subscriber: url };
}
