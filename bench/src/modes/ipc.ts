import { type IpcCost, measureIpc } from "../ipc/measure.ts";
import { endAll } from "../processes.ts";
import { inTime } from "./in-time.ts";
import type { Comparison, Sample } from "./mode.ts";

const FLOOD_MESSAGES = 500_000;
const PACED_MESSAGES = 60_000;
const PER_SECOND = 20_000;
const TIMEOUT_MS = 60_000;

const flows = { flood: "flood", paced: `${PER_SECOND} a second` } as const;
const processes = ["publisher", "node", "receiver"] as const;

/** Highest CPU microseconds for one message in one process that are wanted. */
const atMost = { flood: 1, paced: 4 } as const;

/** What one message costs each process on its way from one worker through the node to another. */
export async function ipcSamples(directory: string): Promise<Sample[]> {
  const measured = measureIpc(directory, {
    floodMessages: FLOOD_MESSAGES,
    pacedMessages: PACED_MESSAGES,
    perSecond: PER_SECOND,
  });
  let costs: Awaited<typeof measured>;
  try {
    costs = await inTime(measured, TIMEOUT_MS);
  } finally {
    // Nothing else runs beside this measurement.
    await endAll();
  }
  return each((flow, process) => ({
    series: series(flow, process),
    values: { cpuMicros: costs[flow][process] },
  }));
}

export const ipcComparisons: readonly Comparison[] = each((flow, process) => ({
  metric: "cpuMicros",
  series: series(flow, process),
  atMost: atMost[flow],
}));

function series(flow: keyof typeof flows, process: keyof IpcCost): string {
  return `ipc message, ${flows[flow]}, ${process}`;
}

function each<T>(make: (flow: keyof typeof flows, process: keyof IpcCost) => T): T[] {
  return (["flood", "paced"] as const).flatMap((flow) =>
    processes.map((process) => make(flow, process)),
  );
}
