import type { Host } from "../host.ts";
import type { Line } from "./line.ts";
import { openLoopback } from "./loopback.ts";
import { openNamespaces, whyNoNamespaces } from "./namespaces.ts";

/** Two regions with a line between them. */
export interface RegionNetwork {
  /** What it is, in words for whoever reads the output of a test. */
  readonly kind: string;
  /** Where the processes of the first region run, and those of the second. */
  readonly hosts: readonly [Host, Host];
  readonly line: Line;
  /** Where a server of the first region listens for the second, and how the second reaches it: `ADDRESS:PORT`. */
  readonly listen: string;
  readonly way: string;
  stop(): Promise<void>;
}

/** How the line is made, the best first. */
export const WAYS = ["netem", "packets", "loopback"] as const;
export type Way = (typeof WAYS)[number];

/** Why two regions cannot be had here in that way; undefined where they can. */
export function whyNot(way: Way): string | undefined {
  return way === "loopback" ? undefined : whyNoNamespaces(way);
}

export function openNetworkBy(way: Way): Promise<RegionNetwork> {
  return way === "loopback" ? openLoopback() : openNamespaces(way);
}

/** The best that there is here, or what `TEST_REGIONS` names; says which, and why it is none better. */
export async function openNetwork(): Promise<RegionNetwork> {
  const { TEST_REGIONS } = process.env;
  const wanted = WAYS.find((way) => way === TEST_REGIONS);
  const reasons: string[] = [];
  for (const way of wanted === undefined ? WAYS : [wanted]) {
    const reason = whyNot(way);
    if (reason === undefined) {
      const network = await openNetworkBy(way);
      console.log(`regions: ${[network.kind, ...reasons].join("; ")}`);
      return network;
    }
    reasons.push(`no ${way}: ${reason}`);
  }
  throw new Error(reasons.join("; "));
}
