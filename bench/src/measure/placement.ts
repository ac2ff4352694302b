import { processTree } from "./proc.ts";

/**
 * Lets a server run on the first core alone, and the load on the second, or both on all again.
 *
 * Processes that share a core one after the other cost what their work costs; on two cores at the same
 * time they also pay for what such cores share, which depends on the machine and on who else runs.
 */
export function place(server: number, load: number, where: "apart" | "anywhere"): void {
  const all = `0-${navigator.hardwareConcurrency - 1}`;
  bind(server, where === "apart" ? "0" : all);
  bind(load, where === "apart" ? "1" : all);
}

function bind(root: number, cores: string): void {
  for (const pid of processTree(root)) {
    const { exitCode, stderr } = Bun.spawnSync(["taskset", "-acp", cores, String(pid)]);
    if (exitCode !== 0) throw new Error(`taskset: ${stderr.toString().trim()}`);
  }
}
