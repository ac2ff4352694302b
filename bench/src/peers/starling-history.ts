import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateHash } from "../certificate.ts";
import { httpPublisher } from "../load/http-publisher.ts";
import { natsServerVersion, startNats } from "./nats-mesh.ts";
import type { HttpPeer } from "./peer.ts";
import { starling, startGateway } from "./starling.ts";
import { quicAnnounced } from "./starling-quic.ts";

/** What becomes of publications: they are gone, kept for back ends alone, or for clients too. */
export type Histories = "without" | "kept" | "with";

/** The gateway with channels of all three kinds. */
export type HistoryPeer = HttpPeer;

const space = { subscribe: "anyone", historyTtl: 600 };
/** Channels without a namespace are those whose clients recover. */
const namespaces = {
  "": { ...space, historySize: 1_000, recover: true },
  kept: { ...space, historySize: 1_000 },
  none: { ...space, historySize: 0 },
};
const prefixes: Readonly<Record<Histories, string>> = { with: "", kept: "kept:", without: "none:" };

/** A new channel of a kind. */
export function roomOf(kind: Histories): string {
  return `${prefixes[kind]}${crypto.randomUUID()}`;
}

function history(name: string, isInMesh: boolean): HistoryPeer {
  const peer: HistoryPeer = {
    ...starling,
    name,
    versions: () => ({ ...starling.versions(), ...(isInMesh ? natsServerVersion() : {}) }),
    start: async ({ directory, certificate }) => {
      const file = join(directory, "starling.json");
      writeFileSync(file, JSON.stringify({ namespaces }));
      const nats = isInMesh ? await startNats({ directory }) : undefined;
      const environment = {
        CONFIG_FILE: file,
        // Users are the rooms of their subscribers, here with a namespace.
        EVENT_ID_REGEX_VALIDATION_PATTERN: "^[a-z0-9:-]+$",
        WEBTRANSPORT: "1",
        PUB_KEY_PATH: certificate.certificate,
        PRIV_KEY_PATH: certificate.key,
        ...(nats === undefined ? {} : { NATS_URL: nats.urls.publisher.href, MESH_ID: "bench" }),
      };
      const node = await startGateway(directory, environment, quicAnnounced);
      const running = { ...node, certificateHash: certificateHash(certificate) };
      if (nats === undefined) return running;
      await ready(node.urls.publisher);
      return { ...running, beside: [nats.pid] };
    },
    publisher: (url) => httpPublisher(url, peer),
    endpoints: [starling.endpoints[0]],
  };
  return peer;
}

/** A node listens before it has reached NATS, and would refuse what is published meanwhile. */
async function ready(publisher: URL): Promise<void> {
  const url = new URL("/ready", publisher);
  for (;;) {
    const { status } = await fetch(url, { tls: { rejectUnauthorized: false } });
    if (status === 200) return;
    await Bun.sleep(20);
  }
}

/** A node that is alone. */
export const historyPeers: readonly HistoryPeer[] = [history("history", false)];

/** The same as a node of a mesh, with a nats-server for itself, whose CPU time is not the node's. */
export const meshHistoryPeers: readonly HistoryPeer[] = [history("history", true)];
