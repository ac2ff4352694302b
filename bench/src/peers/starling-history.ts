import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { httpPublisher } from "../load/http-publisher.ts";
import type { HttpPeer } from "./peer.ts";
import { starling, startGateway } from "./starling.ts";

/** The gateway, whose channels keep so many publications each or none. */
export interface HistoryPeer extends HttpPeer {
  readonly historySize: number;
}

function history(name: string, historySize: number): HistoryPeer {
  const kept = historySize === 0 ? {} : { historySize, historyTtl: 600, recover: true };
  const peer: HistoryPeer = {
    ...starling,
    name,
    historySize,
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

export const withoutHistory = history("without", 0);
export const withHistory = history("with", 1_000);
