import { readFileSync } from "node:fs";

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
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...children.split(" ").filter(Boolean).map(Number).flatMap(processTree)];
}

/** CPU time so far of a process and its descendants. */
export function cpuTime(pid: number): CpuTime {
  const parts = processTree(pid).map((one) =>
    parseStat(readFileSync(`/proc/${one}/stat`, "utf8"), clockTicks()),
  );
  return {
    user: parts.reduce((sum, part) => sum + part.user, 0),
    system: parts.reduce((sum, part) => sum + part.system, 0),
  };
}

/** CPU time, user and system together, that has passed since `before`; in microseconds. */
export function cpuSince(pid: number, before: CpuTime): { total: number; system: number } {
  const now = cpuTime(pid);
  const system = now.system - before.system;
  return { total: now.user - before.user + system, system };
}

/** Resident memory in KiB of a process and its descendants. */
export function residentKib(pid: number): number {
  return processTree(pid)
    .map((one) => parseResident(readFileSync(`/proc/${one}/status`, "utf8")))
    .reduce((sum, part) => sum + part, 0);
}
