/**
 * The quic worker, run by Deno: `starling start` starts it, writes its configuration as the first line
 * of its input and then commands, and reads its messages.
 */
import { CpuShare } from "@starling/core/cpu-share.ts";
import { DenoEndpoint, type DenoEndpointOptions, denoTimers } from "@starling/webtransport/deno.ts";
import { decodeConfig, type QuicWorkerConfig } from "./config.ts";
import { openSocketInDeno } from "./runtime/deno-stream.ts";
import { denoHttpClient } from "./runtime/http-client.ts";
import { connectToNats } from "./runtime/nats.ts";
import { afterTurn, cpuTimeMs, systemClock, systemRandom } from "./runtime/system.ts";
import {
  channelLog,
  PORT_TAKEN_EXIT_CODE,
  type QuicCommand,
  type QuicMessage,
  readLines,
} from "./supervisor-channel.ts";
import { type RunningWorker, startWorker } from "./worker.ts";

/** How often the worker tells of itself, unless the lease is short. */
const REPORT_MS = 1_000;
/** Reports in the time of a lease, at least. */
const REPORTS = 5;

const encoder = new TextEncoder();
const started = Promise.withResolvers<RunningWorker>();
let hasConfig = false;
let drainMs = 0;
let draining: Promise<void> | undefined;

function send(message: QuicMessage): void {
  const bytes = encoder.encode(`${JSON.stringify(message)}\n`);
  try {
    for (let at = 0; at < bytes.length; ) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads any more; the end of the input says what to do.
  }
}

async function start(config: QuicWorkerConfig): Promise<RunningWorker> {
  const { settings, host, port, cert, key, version } = config;
  drainMs = settings.drainMs;
  return startWorker(config, {
    clock: systemClock,
    random: systemRandom,
    afterTurn,
    log: channelLog(settings.logLevel, send),
    http: denoHttpClient(`starling/${version}`),
    timers: denoTimers,
    open: openSocketInDeno(config.socket),
    connectToNats,
    listen: () => listen({ hostname: host, port, cert, key }),
  });
}

/** The UDP port is somebody else's, perhaps not for long. */
class PortTaken extends Error {}

function listen(options: DenoEndpointOptions): DenoEndpoint {
  if (Deno.QuicEndpoint === undefined) {
    throw new Error(`Deno ${Deno.version.deno} has no QUIC: 2.9 or later is needed`);
  }
  try {
    return new DenoEndpoint(options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `UDP port ${options.port} cannot be had: ${reason}`;
    if (error instanceof Deno.errors.AddrInUse) throw new PortTaken(message);
    throw new Error(message, { cause: error });
  }
}

async function serve(config: QuicWorkerConfig): Promise<void> {
  const worker = await start(config);
  started.resolve(worker);
  const cpu = new CpuShare(systemClock, cpuTimeMs);
  cpu.start();
  const report = () => {
    const { rss } = Deno.memoryUsage();
    const nats = worker.linkReport();
    const link = nats === undefined ? {} : { nats };
    const { connections } = worker;
    send({ type: "report", connections, memoryBytes: rss, cpu: cpu.share, ...link });
    const lease = config.settings.presenceLeaseMs;
    systemClock.setTimeout(report, Math.min(REPORT_MS, lease / REPORTS));
  };
  send({ type: "ready" });
  report();
}

/** Begins once, whoever asks; the first says how long it may take. */
function drain(withinMs: number): Promise<void> {
  draining ??= started.promise.then(async (worker) => {
    await worker.drain(withinMs);
    send({ type: "drained" });
  });
  return draining;
}

async function end(): Promise<never> {
  await drain(0);
  await (await started.promise).end();
  Deno.exit(0);
}

/** Whoever started this process reads the reason, and says it. */
function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : String(error));
  Deno.exit(error instanceof PortTaken ? PORT_TAKEN_EXIT_CODE : 1);
}

function take(line: string): void {
  if (!hasConfig) {
    hasConfig = true;
    serve(decodeConfig(line)).catch(fail);
    return;
  }
  const command: QuicCommand = JSON.parse(line);
  if (command.type === "end") void end();
  else void drain(drainMs);
}

// A terminal sends its signals to all processes of the group.
Deno.addSignalListener("SIGINT", () => void drain(drainMs));
Deno.addSignalListener("SIGTERM", () => void drain(drainMs));
await readLines(Deno.stdin.readable, take);
// Whoever started this process is no more, and the next one wants the port at once.
await end();
