import { cpus, release, totalmem, type } from "node:os";

/** What the numbers were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly kernel: string;
}

export function machine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? "unknown",
    cores: all.length,
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: `${type()} ${release()}`,
  };
}
