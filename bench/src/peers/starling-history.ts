import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateHash } from "../certificate.ts";
import { httpPublisher } from "../load/http-publisher.ts";
import type { HttpPeer } from "./peer.ts";
import { starling, startGateway } from "./starling.ts";
import { quicAnnounced } from "./starling-quic.ts";

/** The gateway, whose channels keep publications or none, for backends alone or for clients too. */
export interface HistoryPeer extends HttpPeer {
  readonly recover: boolean;
}

function history(name: string, historySize: number, recover: boolean): HistoryPeer {
  const kept = { historySize, historyTtl: 600, recover };
  const peer: HistoryPeer = {
    ...starling,
    name,
    recover,
    start: async ({ directory, certificate }) => {
      const file = join(directory, "starling.json");
      writeFileSync(file, JSON.stringify({ namespaces: { "": { subscribe: "anyone", ...kept } } }));
      const environment = {
        CONFIG_FILE: file,
        // All of them have the process, so that it makes no difference between them.
        WEBTRANSPORT: "1",
        PUB_KEY_PATH: certificate.certificate,
        PRIV_KEY_PATH: certificate.key,
      };
      const running = await startGateway(directory, environment, quicAnnounced);
      return { ...running, certificateHash: certificateHash(certificate) };
    },
    publisher: (url) => httpPublisher(url, peer),
    endpoints: [starling.endpoints[0]],
  };
  return peer;
}

export const withoutHistory = history("without", 0, false);
export const keptHistory = history("kept", 1_000, false);
export const withHistory = history("with", 1_000, true);
