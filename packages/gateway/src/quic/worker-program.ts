import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { NoQuicWorker } from "./quic-command.ts";

/** What `scripts/dist.ts` puts into a single-file executable: the worker's program in one piece. */
const EMBEDDED_NAME = "quic-worker.bin";

/**
 * The file of the worker's program, after options that it needs; a single-file executable writes the one that it carries to
 * `extractTo`, since Deno cannot read what lies within another program.
 *
 * @throws NoQuicWorker where there is none
 */
export async function workerProgram(extractTo: string): Promise<readonly string[]> {
  const embedded = Bun.embeddedFiles.find((file) => "name" in file && file.name === EMBEDDED_NAME);
  if (embedded !== undefined) {
    mkdirSync(dirname(extractTo), { recursive: true, mode: 0o700 });
    const draft = `${extractTo}.${process.pid}.tmp`;
    writeFileSync(draft, await embedded.bytes(), { mode: 0o600 });
    renameSync(draft, extractTo);
    // What lies about in folders above it is none of its business.
    return ["--no-config", extractTo];
  }
  try {
    const source = fileURLToPath(import.meta.resolve("@starling/quic-worker/main.ts"));
    if (!Bun.main.startsWith("/$bunfs/") && existsSync(source)) return [source];
  } catch {
    // Said below.
  }
  throw new NoQuicWorker("this build of Starling has no quic worker");
}
