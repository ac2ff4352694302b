import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSocket } from "../runtime/ipc-stream.ts";

/** Path of the socket on which a node answers its workers and the command line. */
export function nodeSocketPath(stateDir: string): string {
  return join(stateDir, "broker.sock");
}

/** Whether a node that died left its socket behind, and perhaps workers that drain. */
export async function isAbandoned(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  try {
    (await openSocket(path)({ data() {}, drained() {}, closed() {} })).end();
    return false;
  } catch {
    return true;
  }
}
