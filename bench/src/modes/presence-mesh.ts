import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { measureHeal, measurePresence } from "../mesh-presence/measure.ts";
import { STATE_BYTES } from "../mesh-presence/orders.ts";
import { endAll } from "../processes.ts";
import type { Comparison, Mode, Sample } from "./mode.ts";

const TIMEOUT_MS = 120_000;
const OWN = "node of the members";
const OTHER = "another node";
const HEALS = [
  { series: "three nodes after a split", isForgotten: false },
  { series: "that forgot one another", isForgotten: true },
];

export interface PresenceMeshOptions {
  readonly members: number;
  /** Members of the channel that has to be learnt again after a split. */
  readonly healed: number;
  /** Highest values that are wanted. */
  readonly atMost: {
    readonly countMicros: number;
    readonly joinMicros: number;
    readonly memberBytes: number;
    readonly healed: number;
  };
}

/** What members of one channel cost the nodes of a mesh; without any peer. */
export function presenceMesh({ members, healed, atMost }: PresenceMeshOptions): Mode {
  const target = (metric: string, series: string, most: number): Comparison => ({
    ...{ metric, series, atMost: most },
  });
  return {
    name: "presence-mesh",
    parameters: { members, healed, stateBytes: STATE_BYTES },
    metrics: [
      { key: "countMicros", title: "µs to count", digits: 3 },
      { key: "joinMicros", title: "CPU µs/join", digits: 1 },
      { key: "memberBytes", title: "bytes/member", digits: 0 },
      { key: "healed", title: "bytes sent/bytes of states", digits: 2 },
    ],
    comparisons: [
      target("countMicros", OTHER, atMost.countMicros),
      ...[OWN, OTHER].flatMap((series) => [
        target("joinMicros", series, atMost.joinMicros),
        target("memberBytes", series, atMost.memberBytes),
      ]),
      ...HEALS.map(({ series }) => target("healed", series, atMost.healed)),
    ],
    measure: () => Promise.resolve([]),
    measureAlone: (directory) => inTime(samples(directory, members, healed)),
  };
}

async function samples(directory: string, members: number, healed: number): Promise<Sample[]> {
  const cost = await measurePresence(directory, members);
  const heals: Sample[] = [];
  for (const [index, { series, isForgotten }] of HEALS.entries()) {
    const folder = join(directory, `heal-${index}`);
    mkdirSync(folder);
    const ratio = await measureHeal(folder, healed, isForgotten);
    heals.push({ series, values: { healed: ratio } });
  }
  return [
    { series: OWN, values: { joinMicros: cost.ownJoin, memberBytes: cost.ownBytes } },
    {
      series: OTHER,
      values: { countMicros: cost.count, joinMicros: cost.otherJoin, memberBytes: cost.otherBytes },
    },
    ...heals,
  ];
}

/** Whoever waited for a member that is missing would wait for ever. */
async function inTime<T>(measured: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error("not all members arrived in time")),
    TIMEOUT_MS,
  );
  try {
    return await Promise.race([measured, late.promise]);
  } finally {
    clearTimeout(timer);
    // Nothing else runs beside this measurement.
    await endAll();
  }
}
