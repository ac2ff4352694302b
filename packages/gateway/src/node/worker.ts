import type { Clock, Log, TimerHandle } from "@starling/core/ports.ts";
import type {
  Listening,
  SpawnWorker,
  WorkerCommand,
  WorkerEnd,
  WorkerMessage,
  WorkerProcess,
  WorkerReport,
  WorkerSeat,
} from "./worker-process.ts";

/** How long a worker may take for each part of its life, in milliseconds. */
export interface WorkerTiming {
  /** From its start until it serves. */
  readonly startMs: number;
  /** Without a word, until it counts as hung. */
  readonly leaseMs: number;
  /** From the command to drain until its clients are gone. */
  readonly drainMs: number;
  /** From then on until it has ended. */
  readonly endMs: number;
}

export interface WorkerOptions {
  readonly seat: WorkerSeat;
  readonly spawn: SpawnWorker;
  readonly timing: WorkerTiming;
  readonly clock: Clock;
  readonly log: Log;
  ready(worker: Worker, listening: Listening): void;
  /** Its clients are gone, and it waits for the command to end. */
  drained(worker: Worker): void;
  /** Called once; the worker is no more. */
  ended(worker: Worker, end: WorkerEnd): void;
}

export type WorkerState = "starting" | "ready" | "draining" | "drained";

/**
 * Checks in the time of a lease: a hung worker is found at most a quarter of it late. They are counted, and no clock is
 * read, so that a clock that is set, or a supervisor that stood still, makes no worker look hung.
 */
const CHECKS = 4;

/** One process of a slot, from its start to its end, as the supervisor sees it. */
export class Worker {
  readonly seat: WorkerSeat;
  readonly startedAt: number;
  /** Resolves to true when it serves, to false when it ended before it did. */
  readonly whenReady: Promise<boolean>;
  readonly whenGone: Promise<void>;
  readonly #options: WorkerOptions;
  readonly #process: WorkerProcess;
  #state: WorkerState = "starting";
  #report: WorkerReport = { connections: 0, memoryBytes: 0, cpu: 0 };
  #isEnding = false;
  /** Checks since the worker said anything. */
  #unheard = 0;
  #checkTimer: TimerHandle | undefined;
  #deadline: TimerHandle | undefined;
  #settleReady: (isReady: boolean) => void = () => undefined;
  #settleGone: () => void = () => undefined;

  constructor(options: WorkerOptions) {
    const { clock, seat, timing } = options;
    this.#options = options;
    this.seat = seat;
    this.startedAt = clock.now();
    this.whenReady = new Promise((resolve) => {
      this.#settleReady = resolve;
    });
    this.whenGone = new Promise((resolve) => {
      this.#settleGone = resolve;
    });
    this.#process = options.spawn(seat, {
      message: (message) => this.#received(message),
      ended: (end) => this.#ended(end),
    });
    this.#killAfter(timing.startMs, "did not start in time");
  }

  get pid(): number {
    return this.#process.pid;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** What it last told of itself. */
  get report(): WorkerReport {
    return this.#report;
  }

  get isLeaving(): boolean {
    return this.#state === "draining" || this.#state === "drained";
  }

  get lifeMs(): number {
    return this.#options.clock.now() - this.startedAt;
  }

  send(command: WorkerCommand): void {
    this.#process.send(command);
  }

  /** Lets it drain and end; asked twice, the first deadline stands. */
  drain(command: "stop" | "leave"): void {
    this.send({ type: command });
    if (this.isLeaving) return;
    this.#state = "draining";
    this.#killAfter(this.#options.timing.drainMs, "did not drain in time");
  }

  /** Lets it exit; it has drained. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.send({ type: "end" });
    this.#killAfter(this.#options.timing.endMs, "did not end in time");
  }

  kill(): void {
    this.#process.kill();
  }

  #received(message: WorkerMessage): void {
    this.#unheard = 0;
    if (message.type === "report") {
      const { type: _, ...report } = message;
      this.#report = report;
      return;
    }
    if (message.type === "drained") {
      this.#state = "drained";
      this.#stopDeadline();
      this.#options.drained(this);
      return;
    }
    if (this.#state !== "starting") return;
    this.#state = "ready";
    this.#clear();
    this.#scheduleCheck();
    this.#options.ready(this, message.listening);
    this.#settleReady(true);
  }

  #ended(end: WorkerEnd): void {
    this.#clear();
    this.#options.ended(this, end);
    this.#settleReady(false);
    this.#settleGone();
  }

  /** A listener that nobody serves would still be given its share of new connections. */
  #scheduleCheck(): void {
    const { clock, timing } = this.#options;
    this.#checkTimer = clock.setTimeout(() => this.#check(), timing.leaseMs / CHECKS);
  }

  #check(): void {
    if (++this.#unheard > CHECKS) this.#killBecause("hangs");
    else this.#scheduleCheck();
  }

  #killAfter(delayMs: number, why: string): void {
    this.#stopDeadline();
    this.#deadline = this.#options.clock.setTimeout(() => this.#killBecause(why), delayMs);
  }

  #killBecause(why: string): void {
    const { slot } = this.seat;
    this.#options.log.error({ worker: slot, pid: this.pid, why }, "killing a worker");
    this.kill();
  }

  #stopDeadline(): void {
    if (this.#deadline !== undefined) this.#options.clock.clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  #clear(): void {
    this.#stopDeadline();
    if (this.#checkTimer !== undefined) this.#options.clock.clearTimeout(this.#checkTimer);
    this.#checkTimer = undefined;
  }
}
