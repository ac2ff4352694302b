import { join } from "node:path";
import type { PublishRequest } from "../peers/peer.ts";
import { end, track } from "../processes.ts";

const script = join(import.meta.dir, "post.lua");
const GRACE_MS = 15_000;

/** Counts of one run of wrk; times in microseconds. */
export interface WrkResult {
  readonly requests: number;
  readonly microseconds: number;
  /** Connections that failed, and answers other than 2xx and 3xx. */
  readonly failures: number;
  readonly median: number;
  readonly p99: number;
}

/** Throws when the HTTP load generator wrk is missing. */
export function requireWrk(): string {
  const path = Bun.which("wrk");
  if (path === null) {
    throw new Error("publish and cluster need the load generator wrk: apt-get install wrk");
  }
  return path;
}

/** Version of wrk, as it prints it. */
export function wrkVersion(): string {
  // wrk prints its version and its usage, and ends with an error code.
  const shown = Bun.spawnSync([requireWrk(), "--version"]).stdout.toString();
  return /^wrk (\S+)/.exec(shown)?.[1] ?? "unknown";
}

/** Posts a request over keep-alive connections, each sending the next one on its answer. */
export async function runWrk(
  base: URL,
  request: PublishRequest,
  load: { readonly connections: number; readonly seconds: number },
): Promise<WrkResult> {
  const { PATH = "" } = process.env;
  const child = track(
    Bun.spawn(
      [
        requireWrk(),
        ...["--threads", "1", "--connections", String(load.connections)],
        ...["--duration", `${load.seconds}s`, "--script", script],
        String(new URL(request.path, base)),
      ],
      {
        env: {
          PATH,
          BENCH_BODY: request.body,
          BENCH_CONTENT_TYPE: request.contentType,
        },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "inherit",
      },
    ),
  );
  const deadline = setTimeout(() => void end(child.pid), load.seconds * 1000 + GRACE_MS);
  try {
    return parseWrk(await new Response(child.stdout).text());
  } finally {
    clearTimeout(deadline);
  }
}

/** Finds the counts that the script wrote in what wrk printed. */
export function parseWrk(output: string): WrkResult {
  const line = output.split("\n").find((one) => one.startsWith('{"requests"'));
  if (line === undefined) throw new Error(`wrk printed no counts:\n${output}`);
  const counts: WrkResult = JSON.parse(line);
  return counts;
}
