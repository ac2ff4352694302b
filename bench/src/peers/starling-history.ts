import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateHash } from "../certificate.ts";
import { httpPublisher } from "../load/http-publisher.ts";
import { natsServerVersion, startNats } from "./nats-mesh.ts";
import type { HttpPeer } from "./peer.ts";
import { starling, startGateway } from "./starling.ts";
import { quicAnnounced } from "./starling-quic.ts";

/** The gateway, whose channels keep publications or none, for backends alone or for clients too. */
export interface HistoryPeer extends HttpPeer {
  readonly recover: boolean;
}

function history(
  name: string,
  historySize: number,
  recover: boolean,
  isInMesh: boolean,
): HistoryPeer {
  const kept = { historySize, historyTtl: 600, recover };
  const peer: HistoryPeer = {
    ...starling,
    name,
    recover,
    versions: () => ({ ...starling.versions(), ...(isInMesh ? natsServerVersion() : {}) }),
    start: async ({ directory, certificate }) => {
      const file = join(directory, "starling.json");
      writeFileSync(file, JSON.stringify({ namespaces: { "": { subscribe: "anyone", ...kept } } }));
      const nats = isInMesh ? await startNats({ directory }) : undefined;
      const environment = {
        CONFIG_FILE: file,
        // All of them have the process, so that it makes no difference between them.
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

function all(isInMesh: boolean): readonly HistoryPeer[] {
  return [
    history("without", 0, false, isInMesh),
    history("kept", 1_000, false, isInMesh),
    history("with", 1_000, true, isInMesh),
  ];
}

/** Nodes that are alone. */
export const historyPeers = all(false);

/** The same as nodes of a mesh, each with a nats-server of its own, whose CPU time is not theirs. */
export const meshHistoryPeers = all(true);
