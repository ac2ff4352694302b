import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PresencePeer } from "./peer.ts";
import { gatewayVersions, startGateway } from "./starling.ts";

/** The namespace that the bench's channels are in. */
export const NAMESPACE = "cursors";

/** The gateway's signalling protocol, with a flush window of so many milliseconds for states. */
function presence(name: string, conflateMs: number): PresencePeer {
  return {
    name,
    versions: gatewayVersions,
    start: ({ directory }) => {
      const file = join(directory, "starling.json");
      const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
      writeFileSync(
        file,
        JSON.stringify({ namespaces: { [NAMESPACE]: { ...anyone, conflateMs } } }),
      );
      return startGateway(directory, { CONFIG_FILE: file, MESSAGE_RATE_PER_CONNECTION: "0" });
    },
    memberPath: (_channel, id) => `/v1?publickey=bench&id=${id}`,
    speaksSignals: true,
    conflates: conflateMs > 0,
  };
}

export const starlingPresence = presence("starling", 0);
export const starlingConflating = presence("starling-conflating", 50);
