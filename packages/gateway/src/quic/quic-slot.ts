import type { WorkerId } from "@starling/core/broker/broker.ts";
import type { Clock, Log, Random, TimerHandle } from "@starling/core/ports.ts";
import { PORT_TAKEN_EXIT_CODE } from "@starling/quic-worker/supervisor-channel.ts";
import { MAX_SHORT_LIVES, RestartPolicy } from "../node/restart-policy.ts";
import type { WorkerStatus } from "../node/status.ts";
import { Worker, type WorkerTiming } from "../node/worker.ts";
import {
  describeEnd,
  type Listening,
  type SpawnWorker,
  type WorkerEnd,
} from "../node/worker-process.ts";

export interface QuicSlotOptions {
  /** Path of the node's socket. */
  readonly socket: string;
  readonly spawn: SpawnWorker;
  readonly timing: WorkerTiming;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** An id that no worker of the node ever had. */
  nextId(): WorkerId;
  /** A worker is no more. */
  gone(worker: WorkerId): void;
}

/** The log fields of the quic worker. */
const NAMED = { worker: "quic" } as const;
/** Until a taken port is tried again, doubled from one try to the next up to the longest. */
const FIRST_PORT_DELAY_MS = 1_000;
const MAX_PORT_DELAY_MS = 60_000;

/**
 * The place of the quic worker: the one process of a node that has the UDP port, so that a new one
 * can only follow when the old one has gone. The node does without it where it cannot run.
 */
export class QuicSlot {
  readonly #options: QuicSlotOptions;
  readonly #policy: RestartPolicy;
  #listening: Listening | undefined;
  #current: Worker | undefined;
  #timer: TimerHandle | undefined;
  #restarts = 0;
  #hasServed = false;
  /** Why there is no worker; undefined where there is one, or is to be after a crash. */
  #fault: string | undefined;
  #isGivenUp = false;
  #portDelayMs = FIRST_PORT_DELAY_MS;
  #isStopping = false;
  /** Whether the worker that leaves is to be followed by another at once. */
  #isReplacing = false;

  constructor(options: QuicSlotOptions) {
    this.#options = options;
    this.#policy = new RestartPolicy(options.random);
  }

  /** Whether a worker of that id lives. */
  has(worker: WorkerId): boolean {
    return this.#current?.seat.worker === worker;
  }

  get isServing(): boolean {
    return this.#current?.state === "ready";
  }

  /** Starts the worker on the port of the subscribers; resolves when it serves, or will not. */
  async start(listening: Listening): Promise<void> {
    this.#listening = listening;
    this.#launch();
    await this.#current?.whenReady;
  }

  /** Lets the worker leave, then starts another; resolves when that one serves, or will not. */
  async replace(listening: Listening): Promise<void> {
    this.#listening = listening;
    this.#isStopping = false;
    this.#policy.reset();
    this.#stopTimer();
    const old = this.#current;
    if (old !== undefined) {
      this.#isReplacing = true;
      old.drain("leave");
      await old.whenGone;
      this.#isReplacing = false;
    }
    if (this.#isStopping) return;
    this.#isGivenUp = false;
    this.#fault = undefined;
    this.#portDelayMs = FIRST_PORT_DELAY_MS;
    this.#restarts++;
    this.#launch();
    await this.#current?.whenReady;
  }

  /** Lets the worker drain and end; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopTimer();
    this.#current?.drain("stop");
    await this.#current?.whenGone;
  }

  /** Ends the process at once. */
  kill(): void {
    this.#isStopping = true;
    this.#stopTimer();
    this.#current?.kill();
  }

  /** There will be no worker before the next restart, which is said. */
  giveUp(reason: string, fields: object = {}): void {
    this.#isGivenUp = true;
    this.#fault = reason;
    this.#options.log.warn(
      { ...NAMED, ...fields, reason },
      "WebTransport is off, everything else works: see to the cause, or set WEBTRANSPORT=0",
    );
  }

  status(): WorkerStatus[] {
    const { clock } = this.#options;
    const reason = this.#fault === undefined ? {} : { reason: this.#fault };
    const common = { kind: "quic", slot: "quic", restarts: this.#restarts, ...reason } as const;
    const worker = this.#current;
    if (worker !== undefined) {
      const { pid, state, seat } = worker;
      const uptimeMs = clock.now() - worker.startedAt;
      return [{ ...common, ...worker.report, worker: seat.worker, pid, state, uptimeMs }];
    }
    const state = this.#isGivenUp ? "given up" : "waiting";
    const nothing = {
      worker: null,
      pid: null,
      connections: 0,
      memoryBytes: 0,
      cpu: 0,
      uptimeMs: 0,
    };
    return [{ ...common, state, ...nothing }];
  }

  #launch(): void {
    if (this.#isStopping) return;
    const { spawn, timing, clock, log, socket, nextId } = this.#options;
    const seat = { slot: "quic", worker: nextId(), socket, listening: this.#listening } as const;
    try {
      this.#current = new Worker({
        seat,
        spawn,
        timing,
        clock,
        log,
        ready: () => this.#ready(),
        drained: (worker) => worker.end(),
        ended: (worker, end) => this.#ended(worker, end),
      });
    } catch (error) {
      this.giveUp(error instanceof Error ? error.message : String(error));
    }
  }

  #ready(): void {
    this.#hasServed = true;
    this.#fault = undefined;
    this.#portDelayMs = FIRST_PORT_DELAY_MS;
    const { subscriberUrl: url, subscriberPort: port } = this.#listening ?? {};
    this.#options.log.info({ ...NAMED, url, port }, "WebTransport listening");
  }

  #ended(worker: Worker, end: WorkerEnd): void {
    const { log, gone } = this.#options;
    this.#current = undefined;
    gone(worker.seat.worker);
    const { exitCode, signal, lastWords } = end;
    const fields = { ...NAMED, pid: worker.pid, exitCode, signal, uptimeMs: worker.lifeMs };
    if (this.#isStopping || this.#isReplacing) {
      log.info(fields, "the quic worker has left");
      return;
    }
    if (exitCode === PORT_TAKEN_EXIT_CODE) {
      this.#waitForPort(lastWords);
      return;
    }
    if (!this.#hasServed) {
      this.giveUp(didNotStart(end), lastWords === "" ? {} : { lastWords });
      return;
    }
    const delayMs = this.#policy.ended(worker.lifeMs);
    if (delayMs === undefined) {
      this.giveUp(
        `the quic worker was given up after ${MAX_SHORT_LIVES} short lives in a row`,
        fields,
      );
      return;
    }
    log.error(
      { ...fields, ...(lastWords === "" ? {} : { lastWords }) },
      "the quic worker has ended, and is started again",
    );
    this.#launchAfter(delayMs);
  }

  /** Somebody has the port, perhaps the worker of a node that has just died: said once. */
  #waitForPort(reason: string): void {
    if (this.#fault === undefined) {
      this.#options.log.warn(
        { ...NAMED, reason },
        "WebTransport waits for its UDP port, everything else works: see who has it, or set WEBTRANSPORT=0",
      );
    }
    this.#fault = reason;
    this.#launchAfter(this.#portDelayMs);
    this.#portDelayMs = Math.min(2 * this.#portDelayMs, MAX_PORT_DELAY_MS);
  }

  #launchAfter(delayMs: number): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#restarts++;
      this.#launch();
    }, delayMs);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** The first of its last words is the cause, what follows is where. */
function didNotStart(end: WorkerEnd): string {
  const [cause = ""] = end.lastWords.split("\n");
  return `the quic worker did not start (${describeEnd(end)})${cause === "" ? "" : `: ${cause}`}`;
}
