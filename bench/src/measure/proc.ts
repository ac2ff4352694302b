import { readdirSync, readFileSync } from "node:fs";

/** CPU time in microseconds. */
export interface CpuTime {
  readonly user: number;
  readonly system: number;
}

let ticksPerSecond: number | undefined;

function clockTicks(): number {
  ticksPerSecond ??= Number(Bun.spawnSync(["getconf", "CLK_TCK"]).stdout.toString()) || 100;
  return ticksPerSecond;
}

/**
 * CPU time in the text of `/proc/PID/stat` (proc(5): fields 14 and 15, in clock ticks), which
 * covers all threads of the process, the ended ones too.
 */
export function parseStat(text: string, ticks: number): CpuTime {
  // The second field is the program's name in brackets and may itself hold spaces and brackets.
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .trim()
    .split(" ");
  const field = (number: number): number => {
    const value = Number(fields[number - 3]);
    if (!Number.isFinite(value)) throw new Error(`no field ${number} in ${text}`);
    return (value / ticks) * 1e6;
  };
  return { user: field(14), system: field(15) };
}

/** Resident memory in KiB in the text of `/proc/PID/status` (proc(5): VmRSS). */
export function parseResident(text: string): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(text);
  if (found === null) throw new Error("no VmRSS in the process status");
  return Number(found[1]);
}

/** A process and its descendants, as they are now. */
export function processTree(pid: number): number[] {
  // A child belongs to the thread that started it.
  const threads = readdirSync(`/proc/${pid}/task`);
  return [pid, ...threads.flatMap((thread) => childrenOf(pid, thread)).flatMap(processTree)];
}

function childrenOf(pid: number, thread: string): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    // The thread has ended since the list was read; its children belong to another one now.
    return [];
  }
}

/** CPU time of a process and its descendants, and of that process alone. */
export interface TreeCpuTime extends CpuTime {
  readonly root: CpuTime;
}

/** CPU time that has passed, in microseconds. */
export interface CpuSpent {
  /** User and system together. */
  readonly total: number;
  readonly system: number;
  /** The part of the process itself in the total, from 0 to 1; the rest is its descendants'. */
  readonly rootShare: number;
}

/** CPU time so far of a process and its descendants. */
export function cpuTime(pid: number): TreeCpuTime {
  const parts = processTree(pid).map((one) =>
    parseStat(readFileSync(`/proc/${one}/stat`, "utf8"), clockTicks()),
  );
  return {
    user: parts.reduce((sum, part) => sum + part.user, 0),
    system: parts.reduce((sum, part) => sum + part.system, 0),
    root: parts[0] ?? { user: 0, system: 0 },
  };
}

/** CPU time that has passed since `before`. */
export function cpuSince(pid: number, before: TreeCpuTime): CpuSpent {
  return spent(before, cpuTime(pid));
}

/** CPU time between two readings. */
export function spent(before: TreeCpuTime, now: TreeCpuTime): CpuSpent {
  const system = now.system - before.system;
  const total = now.user - before.user + system;
  const root = now.root.user - before.root.user + now.root.system - before.root.system;
  return { total, system, rootShare: total === 0 ? 0 : root / total };
}

/** Resident memory in KiB of a process and its descendants. */
export function residentKib(pid: number): number {
  return processTree(pid)
    .map((one) => parseResident(readFileSync(`/proc/${one}/status`, "utf8")))
    .reduce((sum, part) => sum + part, 0);
}
