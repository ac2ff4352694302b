import type { WorkerId } from "@starling/core/broker/broker.ts";
import type { Clock, Log, Random } from "@starling/core/ports.ts";
import { Slot } from "./slot.ts";
import type { WorkerStatus } from "./status.ts";
import { Worker, type WorkerTiming } from "./worker.ts";
import { describeEnd, type Listening, type SpawnWorker, type WorkerEnd } from "./worker-process.ts";
import { firstWorkerId } from "./worker-timing.ts";

export interface WorkersOptions {
  readonly count: number;
  /** Path of the node's socket. */
  readonly socket: string;
  readonly spawn: SpawnWorker;
  readonly timing: WorkerTiming;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A worker is no more; its id is never given to another. */
  gone(worker: WorkerId): void;
  /** No slot is left that would ever serve again. */
  lost(lastEnd: WorkerEnd | undefined): void;
}

/** A first worker did not come to serve. */
export class StartFailed extends Error {
  readonly end: WorkerEnd | undefined;

  constructor(slot: number, end: WorkerEnd | undefined) {
    const how = end === undefined ? "" : ` (${describeEnd(end)})`;
    super(`worker ${slot} ended before it served${how}`);
    this.end = end;
  }
}

/** Why a restart is not begun, or was given up half-way. */
export class RestartRefused extends Error {}

/** The worker processes of a node. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #slots: readonly Slot[];
  #nextId: WorkerId;
  /** What the first worker has bound, and all others share. */
  #listening: Listening | undefined;
  /** Why the node is not ready, and the part of it that has nothing to do with slots. */
  #degraded: string | undefined;
  #impediment: string | undefined;
  #isRestarting = false;
  #isStopping = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    const { clock, random, log } = options;
    this.#nextId = firstWorkerId(random);
    this.#slots = Array.from(
      { length: options.count },
      (_, slot) =>
        new Slot({
          slot,
          clock,
          random,
          log,
          launch: (place) => this.#launch(place, slot),
          changed: () => this.#judge(),
        }),
    );
  }

  /** Slots, whether or not somebody serves there. */
  get count(): number {
    return this.#slots.length;
  }

  /** An id that no worker of the node has, or ever had. */
  nextId(): WorkerId {
    return this.#nextId++;
  }

  /** Whether a worker of that id lives. */
  has(worker: WorkerId): boolean {
    return this.#workers().some(({ seat }) => seat.worker === worker);
  }

  get isRestarting(): boolean {
    return this.#isRestarting;
  }

  /**
   * Starts one worker, and when it has bound its ports the others; answers what they listen on.
   *
   * @throws StartFailed when one of them ends before it serves
   */
  async start(): Promise<Listening> {
    const [first, ...others] = this.#slots;
    if (first !== undefined) await this.#startAll([first]);
    await this.#startAll(others);
    if (this.#listening === undefined) throw new StartFailed(0, undefined);
    return this.#listening;
  }

  /**
   * Replaces the workers one by one, without a moment at which fewer serve. `replaced` is told of
   * each slot that is done.
   *
   * @throws RestartRefused when a restart is under way, or the node stops
   * @throws ReplacementFailed when a new worker does not come to serve: those after it are not replaced
   */
  async restart(replaced: (slot: number) => void): Promise<void> {
    if (this.#isRestarting) throw new RestartRefused("a restart is already under way");
    this.#isRestarting = true;
    try {
      for (const [number, slot] of this.#slots.entries()) {
        if (this.#isStopping) throw new RestartRefused("the node is stopping");
        await slot.replace();
        replaced(number);
      }
    } finally {
      this.#isRestarting = false;
    }
  }

  /**
   * Lets all workers drain at the same time, and end when the last has drained: until then a request
   * of its clients may come to any of them. Resolves when they are gone.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const slot of this.#slots) slot.stop();
    await Promise.all(this.#workers().map((worker) => worker.whenGone));
  }

  /** Ends every process at once. */
  kill(): void {
    for (const worker of this.#workers()) worker.kill();
  }

  status(): readonly WorkerStatus[] {
    return this.#slots.flatMap((slot) => slot.status());
  }

  async #startAll(slots: readonly Slot[]): Promise<void> {
    const started = await Promise.all(slots.map((slot) => slot.start()));
    const failed = slots[started.indexOf(false)];
    if (failed === undefined) return;
    throw new StartFailed(this.#slots.indexOf(failed), failed.lastEnd);
  }

  #launch(place: Slot, slot: number): Worker {
    const { spawn, timing, clock, log, socket } = this.#options;
    return new Worker({
      seat: { slot, worker: this.nextId(), socket, listening: this.#listening },
      spawn,
      timing,
      clock,
      log,
      ready: (worker, listening) => {
        this.#listening ??= listening;
        if (this.#degraded !== undefined) {
          worker.send({ type: "degraded", reason: this.#degraded });
        }
        place.ready(worker);
      },
      drained: (worker) => {
        if (this.#isStopping) this.#endAll();
        else worker.end();
      },
      ended: (worker, end) => {
        this.#options.gone(worker.seat.worker);
        place.ended(worker, end);
        if (this.#isStopping) this.#endAll();
      },
    });
  }

  /** Lets the workers end once none has clients any more. */
  #endAll(): void {
    const workers = this.#workers();
    if (workers.some(({ state }) => state !== "drained")) return;
    for (const worker of workers) worker.end();
  }

  /** Why the node is not ready though all workers are; undefined when it is again. */
  impede(reason: string | undefined): void {
    this.#impediment = reason;
    this.#judge();
  }

  /** Tells the workers that remain what their readiness has to say. */
  #judge(): void {
    const givenUp = this.#slots.find((slot) => slot.givenUp !== undefined)?.givenUp;
    const reasons = [givenUp, this.#impediment].filter((each) => each !== undefined);
    const reason = reasons.length === 0 ? undefined : reasons.join("; ");
    if (reason !== this.#degraded) {
      this.#degraded = reason;
      for (const worker of this.#workers()) worker.send({ type: "degraded", reason });
    }
    if (this.#slots.every((slot) => slot.givenUp !== undefined)) {
      this.#options.lost(this.#slots.at(-1)?.lastEnd);
    }
  }

  #workers(): readonly Worker[] {
    return this.#slots.flatMap((slot) => slot.workers);
  }
}
