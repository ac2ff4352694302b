import { LineReader } from "./line-reader.ts";
import { environmentOf } from "./worker-environment.ts";
import type { SpawnWorker, WorkerMessage } from "./worker-process.ts";

export interface SpawnOptions {
  /** What to run, to which `worker` is added; default: this very program. */
  readonly command?: readonly string[];
  /** Gets the log of the workers line by line; undefined lets them write to standard output. */
  readonly logLine: ((line: string) => void) | undefined;
  /** Gets what they write to standard error, line by line. */
  readonly errorLine: (line: string) => void;
}

/** How much of what a worker wrote to standard error is kept for the report of its end. */
const LAST_LINES = 10;

/** Starts workers as processes of the program that runs. */
export function spawnWorkers({
  command = ownCommand(),
  logLine,
  errorLine,
}: SpawnOptions): SpawnWorker {
  return (seat, events) => {
    const lastLines: string[] = [];
    const child = Bun.spawn([...command, "worker"], {
      env: { ...process.env, ...environmentOf(seat) },
      stdin: "ignore",
      stdout: logLine === undefined ? "inherit" : "pipe",
      stderr: "pipe",
      // The channel that it makes also ends with this process, however that ends.
      serialization: "json",
      ipc: (message) => events.message(message as WorkerMessage),
    });
    const outputs = [
      new LineReader((line) => {
        lastLines.push(line);
        if (lastLines.length > LAST_LINES) lastLines.shift();
        errorLine(line);
      }).read(child.stderr),
    ];
    if (logLine !== undefined && child.stdout !== undefined) {
      outputs.push(new LineReader(logLine).read(child.stdout));
    }
    void Promise.allSettled([child.exited, ...outputs]).then(() => {
      const { exitCode, signalCode } = child;
      const signal = signalCode === null ? null : String(signalCode);
      events.ended({ exitCode, signal, lastWords: lastLines.join("").trimEnd() });
    });
    return {
      pid: child.pid,
      send(command) {
        try {
          child.send(command);
        } catch {
          // The process is gone, and its end is about to be told.
        }
      },
      kill: () => child.kill("SIGKILL"),
    };
  };
}

/** How this very program was started, but for the command. */
function ownCommand(): string[] {
  // A single-file executable holds its own program.
  if (Bun.main.startsWith(EMBEDDED)) return [process.execPath];
  // The gateway reads .env itself; Bun would expand "$" in secrets and patterns.
  return [process.execPath, "--no-env-file", Bun.main];
}

/** Where a single-file executable has its files. */
const EMBEDDED = "/$bunfs/";
