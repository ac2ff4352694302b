import type { Log } from "@starling/core/ports.ts";
import { encodeConfig, type QuicWorkerConfig } from "@starling/quic-worker/config.ts";
import type {
  QuicMessage,
  QuicCommand as WorkerLine,
} from "@starling/quic-worker/supervisor-channel.ts";
import { LineReader } from "../node/line-reader.ts";
import type { SpawnWorker, WorkerProcessEvents, WorkerSeat } from "../node/worker-process.ts";
import { NoQuicWorker, type QuicCommand } from "./quic-command.ts";

export interface SpawnQuicOptions {
  configFor(seat: WorkerSeat): QuicWorkerConfig;
  /** @throws NoQuicWorker where there can be none; so does the start of a program that cannot run */
  commandFor(config: QuicWorkerConfig): QuicCommand;
  /** Gets the lines of the worker's log. */
  readonly log: Log;
}

/** How much of what a worker wrote to standard error is kept for the report of its end. */
const LAST_LINES = 30;

/** Starts quic workers; what `SpawnWorker` has an own channel for goes over their input and output. */
export function spawnQuicWorkers({ configFor, commandFor, log }: SpawnQuicOptions): SpawnWorker {
  return (seat, events) => {
    const config = configFor(seat);
    const { command, environment } = commandFor(config);
    const child = spawned(command, environment);
    const write = (line: string) => {
      try {
        child.stdin.write(`${line}\n`);
        child.stdin.flush();
      } catch {
        // The process is gone, and its end is about to be told.
      }
    };
    write(encodeConfig(config));
    const lastLines: string[] = [];
    let isWorker = false;
    const outputs = [
      new LineReader((line) => {
        if (take(line, seat, events, log)) isWorker = true;
      }).read(child.stdout),
      new LineReader((line) => {
        lastLines.push(line);
        if (lastLines.length > LAST_LINES) lastLines.shift();
      }).read(child.stderr),
    ];
    void Promise.allSettled([child.exited, ...outputs]).then(() => {
      const { exitCode, signalCode } = child;
      const signal = signalCode === null ? null : String(signalCode);
      const lastWords = lastLines.join("").trimEnd();
      const isMute = lastWords === "" && !isWorker;
      events.ended({ exitCode, signal, lastWords: isMute ? noDeno(command) : lastWords });
    });
    return {
      pid: child.pid,
      send({ type }) {
        // A worker that serves alone is never told of others.
        if (type !== "degraded") write(JSON.stringify({ type } satisfies WorkerLine));
      },
      kill: () => child.kill("SIGKILL"),
    };
  };
}

function spawned(
  command: readonly string[],
  env: Record<string, string>,
): Bun.Subprocess<"pipe", "pipe", "pipe"> {
  try {
    return Bun.spawn([...command], { env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    throw new NoQuicWorker(`${command[0]} cannot be run (${String(code)})`);
  }
}

function noDeno([program]: readonly string[]): string {
  return `${program} ended without a word; is it Deno 2.9 or later?`;
}

/** Answers whether the line is one of the worker's own. */
function take(line: string, seat: WorkerSeat, events: WorkerProcessEvents, log: Log): boolean {
  const message = messageOf(line);
  if (message === undefined) {
    log.info({ worker: seat.slot, line }, "the quic worker says");
    return false;
  }
  if (message.type === "log") {
    log[message.level]({ worker: seat.slot, ...message.fields }, message.message);
  } else if (message.type !== "ready") {
    events.message(message);
  } else if (seat.listening !== undefined) {
    events.message({ type: "ready", listening: seat.listening });
  }
  return true;
}

/** Undefined where a line is none of the worker's own, but of the runtime, say. */
function messageOf(line: string): QuicMessage | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
