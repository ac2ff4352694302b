import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { httpPublisher } from "../load/http-publisher.ts";
import type { HttpPeer } from "./peer.ts";
import { starling, startGateway } from "./starling.ts";

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
    start: ({ directory }) => {
      const file = join(directory, "starling.json");
      writeFileSync(file, JSON.stringify({ namespaces: { "": { subscribe: "anyone", ...kept } } }));
      return startGateway(directory, { CONFIG_FILE: file });
    },
    publisher: (url) => httpPublisher(url, peer),
    endpoints: [starling.endpoints[0]],
  };
  return peer;
}

export const withoutHistory = history("without", 0, false);
export const keptHistory = history("kept", 1_000, false);
export const withHistory = history("with", 1_000, true);
