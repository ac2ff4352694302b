import { closeSync, openSync } from "node:fs";

/** How a child process ended: by itself, because it took too long, or because it was not wanted. */
export type ChildEnd = number | "too long" | "aborted";

export interface ChildOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The file that gets what the child writes to both its outputs. */
  readonly log: string;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** What a node needs to stop after it has been told to. */
const GRACE_MS = 5_000;

/**
 * Runs a command to its end, and ends whatever it leaves behind: a test that is cut short does not
 * clean up, and a node left over would disturb all runs that follow.
 */
export async function runChild(
  command: readonly string[],
  options: ChildOptions,
): Promise<ChildEnd> {
  // One descriptor for both outputs: two would write over each other.
  const log = openSync(options.log, "w");
  const child = Bun.spawn([...command], {
    cwd: options.cwd,
    env: { ...process.env, ...options.environment },
    stdio: ["ignore", log, log],
    // A process group of its own: it can be ended as a whole, and Ctrl+C does not reach it.
    detached: true,
  });
  closeSync(log);
  const cut = Promise.withResolvers<"too long" | "aborted">();
  const timer = setTimeout(() => cut.resolve("too long"), options.limitMs);
  const abort = () => cut.resolve("aborted");
  options.signal.addEventListener("abort", abort);
  if (options.signal.aborted) abort();
  try {
    const end = await Promise.race([child.exited, cut.promise]);
    if (typeof end !== "number" && signalGroup(child.pid, "SIGTERM")) {
      await gone(child.pid);
    }
    return end;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", abort);
    if (signalGroup(child.pid, "SIGKILL")) await gone(child.pid);
  }
}

async function gone(group: number): Promise<void> {
  const end = performance.now() + GRACE_MS;
  while (performance.now() < end && signalGroup(group, 0)) await Bun.sleep(20);
}

/** Whether there was anybody in the group. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}
