import { readdirSync, readFileSync } from "node:fs";
import { processTree } from "./proc.ts";

/**
 * CPU microseconds in the text of `/proc/PID/task/TID/schedstat`: its first field, in nanoseconds.
 */
export function parseSchedstat(text: string): number {
  const [first = ""] = text.trim().split(" ");
  if (!/^\d+$/.test(first)) throw new Error(`no scheduler statistics: ${text}`);
  return Number(first) / 1_000;
}

/**
 * CPU microseconds so far of the threads that a process and its descendants have now: exact where the clock ticks of
 * `cpuTime` are too coarse, but without the threads that have ended.
 */
export function busyMicros(pid: number): number {
  let sum = 0;
  for (const one of processTree(pid)) {
    for (const thread of readdirSync(`/proc/${one}/task`)) sum += threadMicros(one, thread);
  }
  return sum;
}

function threadMicros(pid: number, thread: string): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
  } catch {
    // It has ended since the list was read.
    return 0;
  }
  return parseSchedstat(text);
}
