import type { Clock, Log, Random, TimerHandle } from "@starling/core/ports.ts";
import { MAX_SHORT_LIVES, RestartPolicy } from "./restart-policy.ts";
import type { WorkerStatus } from "./status.ts";
import type { Worker } from "./worker.ts";
import { describeEnd, type WorkerEnd } from "./worker-process.ts";

export interface SlotOptions {
  readonly slot: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  launch(slot: Slot): Worker;
  /** The slot was given up, or is no longer. */
  changed(): void;
}

/** A worker that was to replace another did not come to serve. */
export class ReplacementFailed extends Error {}

/**
 * One place of a node: the worker that serves there, the one that takes over from it, and those that
 * still drain. A worker that ends by itself is started again.
 */
export class Slot {
  readonly #options: SlotOptions;
  readonly #policy: RestartPolicy;
  #current: Worker | undefined;
  #candidate: Worker | undefined;
  readonly #leaving = new Set<Worker>();
  #timer: TimerHandle | undefined;
  #restarts = 0;
  #givenUp: string | undefined;
  /** Whether workers that end are started again: not before the first has served. */
  #isKept = false;
  #lastEnd: WorkerEnd | undefined;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#policy = new RestartPolicy(options.random);
  }

  /** Why there is no worker any more; undefined where there is, or will be. */
  get givenUp(): string | undefined {
    return this.#givenUp;
  }

  /** How the last worker ended that ended by itself. */
  get lastEnd(): WorkerEnd | undefined {
    return this.#lastEnd;
  }

  get isServing(): boolean {
    return this.#current?.state === "ready";
  }

  /** Every process there is. */
  get workers(): readonly Worker[] {
    return [this.#current, this.#candidate, ...this.#leaving].filter((each) => each !== undefined);
  }

  /** Starts the first worker; answers whether it came to serve. Afterwards there always is one. */
  async start(): Promise<boolean> {
    const first = this.#options.launch(this);
    this.#current = first;
    return first.whenReady;
  }

  /**
   * Starts a worker, and lets the old one leave once the new one serves; resolves when it is gone.
   *
   * @throws ReplacementFailed when the new one does not come to serve; the old one stays
   */
  async replace(): Promise<void> {
    this.#policy.reset();
    this.#stopTimer();
    const [old, candidate] = [this.#current, this.#options.launch(this)];
    this.#candidate = candidate;
    if (this.#givenUp !== undefined) {
      this.#givenUp = undefined;
      this.#options.changed();
    }
    if (!(await candidate.whenReady)) {
      const end = this.#lastEnd;
      const how = end === undefined ? "" : ` (${describeEnd(end)})`;
      throw new ReplacementFailed(
        `the new worker of slot ${this.#options.slot} ended before it served${how}`,
      );
    }
    await old?.whenGone;
  }

  ready(worker: Worker): void {
    this.#isKept = true;
    if (worker !== this.#candidate) return;
    this.#candidate = undefined;
    const old = this.#current;
    this.#current = worker;
    this.#restarts++;
    if (old === undefined) return;
    this.#leaving.add(old);
    old.drain("leave");
  }

  ended(worker: Worker, end: WorkerEnd): void {
    this.#report(worker, end);
    if (this.#leaving.delete(worker)) return;
    const wasCandidate = worker === this.#candidate;
    if (wasCandidate) this.#candidate = undefined;
    else this.#current = undefined;
    this.#lastEnd = end;
    const isServed = this.#current !== undefined || this.#candidate !== undefined;
    if (this.#isKept && !isServed) this.#again(worker, end);
  }

  /** Lets every worker drain and end, and starts no other. */
  stop(): void {
    this.#isKept = false;
    this.#stopTimer();
    for (const worker of this.workers) worker.drain("stop");
  }

  status(): WorkerStatus[] {
    const { slot, clock } = this.#options;
    const rows = this.workers.map((worker): WorkerStatus => {
      return {
        ...worker.report,
        kind: "gateway",
        slot,
        worker: worker.seat.worker,
        pid: worker.pid,
        state: worker.state,
        uptimeMs: clock.now() - worker.startedAt,
        restarts: this.#restarts,
      };
    });
    if (rows.length > 0) return rows;
    const state = this.#givenUp === undefined ? "waiting" : "given up";
    const nothing = {
      worker: null,
      pid: null,
      connections: 0,
      memoryBytes: 0,
      cpu: 0,
      uptimeMs: 0,
    };
    return [{ kind: "gateway", slot, state, ...nothing, restarts: this.#restarts }];
  }

  #again(worker: Worker, end: WorkerEnd): void {
    const { slot, clock, log } = this.#options;
    const delayMs = this.#policy.ended(worker.lifeMs);
    if (delayMs === undefined) {
      this.#givenUp = `worker ${slot} was given up after ${MAX_SHORT_LIVES} short lives in a row`;
      const { exitCode, signal, lastWords } = end;
      log.error(
        { worker: slot, crashes: MAX_SHORT_LIVES, exitCode, signal, lastWords },
        "a worker crashes again and again, and is not started any more: see to the cause, then run starling restart",
      );
      this.#options.changed();
      return;
    }
    log.info({ worker: slot, delayMs: Math.round(delayMs) }, "a worker is started again");
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      this.#restarts++;
      this.#current = this.#options.launch(this);
    }, delayMs);
  }

  #report(worker: Worker, { exitCode, signal, lastWords }: WorkerEnd): void {
    const { slot, log } = this.#options;
    const fields = {
      worker: slot,
      pid: worker.pid,
      exitCode,
      signal,
      uptimeMs: worker.lifeMs,
      connections: worker.report.connections,
    };
    // Also of its own accord: a terminal's signal may reach it before the supervisor.
    if (exitCode === 0) log.info(fields, "a worker has left");
    else log.error({ ...fields, ...(lastWords === "" ? {} : { lastWords }) }, "a worker has ended");
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
