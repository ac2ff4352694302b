import { within } from "../auth/deadline.ts";
import type { Clock, HttpClient, HttpResponse, Log, Random, TimerHandle } from "../ports.ts";
import type { HookConfig, HookSettings } from "./config.ts";
import { HookCounters, type HookCounts } from "./counters.ts";
import type { HookEvent, HookEventType } from "./events.ts";
import { pauseMs, retryAfterMs } from "./pauses.ts";
import { HookQueue, type QueuedEvent } from "./queue.ts";
import { hookSignature, SIGNATURE_HEADER } from "./signature.ts";
import { Warnings } from "./warnings.ts";

/** What every hook of a node sends with. */
export interface HookSending {
  readonly settings: HookSettings;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Name of the node, which every request has; empty = none. */
  readonly node: string;
}

/** Bytes of the events of one request, at most, where it has more than one. */
const MAX_BATCH_BYTES = 262_144;
/** Failures in a row after which a receiver counts as dead. */
const CIRCUIT_FAILURES = 5;
/** The longest pause while the node stops, which leaves little time. */
const MAX_DRAIN_PAUSE_MS = 1_000;

type Outcome =
  | { readonly is: "delivered" }
  | { readonly is: "refused"; readonly status: number }
  | { readonly is: "failed"; readonly reason: string; readonly waitMs: number };

/**
 * Sends the events of one hook, one request at a time, so that its receiver gets them in their order. A
 * request that fails holds up all that follow until it succeeds, is refused, or its events are too old.
 */
export class HookSender {
  readonly #sending: HookSending;
  readonly #app: string;
  readonly #queue: HookQueue;
  readonly #warnings: Warnings;
  readonly #counters = new HookCounters();
  #hook: HookConfig;
  #place: number;
  #timer: TimerHandle | undefined;
  /** What the timer waits for. */
  #waitsFor: "company" | "nothing" | "retry" = "nothing";
  #isUnderWay = false;
  #isDraining = false;
  #isClosed = false;
  #isPaused = false;
  /** Grows when what waits is somebody else's: the answer to a former request says nothing of it. */
  #turn = 0;
  #failures = 0;
  /** Events lost that the receiver has not been told of. */
  #untold = 0;
  #hasDrained: (() => void) | undefined;
  #isIdle: PromiseWithResolvers<void> | undefined;

  constructor(sending: HookSending, app: string, hook: HookConfig, place: number) {
    const { settings, clock, log } = sending;
    this.#sending = sending;
    this.#app = app;
    this.#hook = hook;
    this.#place = place;
    this.#queue = new HookQueue({ maxEvents: settings.queueEvents, maxBytes: settings.queueBytes });
    this.#warnings = new Warnings(clock, log);
  }

  get counts(): HookCounts {
    return {
      ...this.#counters,
      app: this.#app,
      hook: this.#place,
      queued: this.#queue.size,
      queuedBytes: this.#queue.bytes,
      isCircuitOpen: this.#isCircuitOpen,
    };
  }

  /** The same receiver, with other secrets or for other events; what waits is sent anyway. */
  configure(hook: HookConfig, place: number): void {
    this.#hook = hook;
    this.#place = place;
  }

  isFor(type: HookEventType): boolean {
    return this.#hook.events.has(type);
  }

  wants(event: HookEvent): boolean {
    const { channels } = this.#hook;
    if (!this.isFor(event.type)) return false;
    if (!("channel" in event) || channels.length === 0) return true;
    return channels.some((pattern) => pattern.matches(event.channel));
  }

  /**
   * Queues an encoded event; nothing is sent before this turn is over.
   *
   * @param settled is called when the receiver has it, or will never have it
   */
  push(event: string, settled?: () => void): void {
    if (this.#isClosed) {
      this.#counters.dropped++;
      settled?.();
      return;
    }
    this.#overflowed(this.#queue.push(event, this.#sending.clock.now(), settled));
    this.#schedule();
  }

  /** Begins no request until it is told to go on. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) this.#stopTimer();
    else this.#schedule();
  }

  /** Forgets what waits: somebody else sends it. */
  clear(): void {
    this.#turn++;
    this.#queue.clear();
    this.#failures = 0;
    this.#untold = 0;
    this.#stopTimer();
  }

  /** Resolves when no request is under way. */
  idle(): Promise<void> {
    if (!this.#isUnderWay) return Promise.resolve();
    this.#isIdle ??= Promise.withResolvers();
    return this.#isIdle.promise;
  }

  /** Sends without waiting for company from now on; resolves when nothing waits any more. */
  drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#queue.size === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hasDrained = resolve;
    if (!this.#isUnderWay) this.#wait("nothing", 0);
    return promise;
  }

  /** Sends nothing any more; answers how many events that loses. */
  close(): number {
    this.#isClosed = true;
    this.#stopTimer();
    const lost = this.#queue.abandon();
    this.#counters.dropped += lost;
    this.#hasDrained?.();
    return lost;
  }

  get #isCircuitOpen(): boolean {
    return this.#failures >= CIRCUIT_FAILURES;
  }

  get #name(): { readonly app: string; readonly hook: number } {
    return { app: this.#app, hook: this.#place };
  }

  #schedule(): void {
    if (this.#isUnderWay || this.#isClosed || this.#isPaused || this.#queue.size === 0) return;
    if (this.#timer !== undefined && this.#waitsFor !== "company") return;
    const { batchEvents, batchMs } = this.#sending.settings;
    const isHurried = this.#isDraining || this.#queue.size >= batchEvents;
    if (isHurried) this.#wait("nothing", 0);
    else if (this.#timer === undefined) this.#wait("company", batchMs);
  }

  #wait(what: "company" | "nothing" | "retry", delayMs: number): void {
    this.#stopTimer();
    if (this.#isPaused) return;
    this.#waitsFor = what;
    this.#timer = this.#sending.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#begin();
    }, delayMs);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#sending.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #begin(): void {
    const { clock, settings } = this.#sending;
    // What was never tried in vain is old only where the clock was set.
    if (this.#failures > 0) this.#expired(this.#queue.expire(clock.now() - settings.maxAgeMs));
    // A receiver that may be dead is asked with little, and gets the rest once it has answered.
    const maxEvents = this.#isCircuitOpen ? 1 : settings.batchEvents;
    const batch = this.#queue.take(maxEvents, MAX_BATCH_BYTES);
    if (batch.length === 0) {
      this.#hasDrained?.();
      return;
    }
    this.#isUnderWay = true;
    void this.#send(batch);
  }

  async #send(batch: readonly QueuedEvent[]): Promise<void> {
    const [told, turn] = [this.#untold, this.#turn];
    this.#counters.requests++;
    const outcome = await this.#attempt(batch, told);
    this.#isUnderWay = false;
    this.#isIdle?.resolve();
    this.#isIdle = undefined;
    if (this.#isClosed) return;
    if (turn !== this.#turn) {
      this.#schedule();
      return;
    }
    if (outcome.is === "failed") {
      this.#failed(outcome.reason, outcome.waitMs);
      return;
    }
    this.#queue.done();
    this.#answered();
    if (outcome.is === "delivered") {
      this.#counters.delivered += batch.length;
      this.#untold -= told;
    } else {
      this.#refused(batch.length, outcome.status);
    }
    if (this.#queue.size === 0) this.#hasDrained?.();
    else this.#schedule();
  }

  async #attempt(batch: readonly QueuedEvent[], dropped: number): Promise<Outcome> {
    const { http, clock, settings, node } = this.#sending;
    const { timeoutMs } = settings;
    const { url, secrets } = this.#hook;
    const time = clock.now();
    const head = JSON.stringify({ app: this.#app, node: node === "" ? null : node, time, dropped });
    const body = `${head.slice(0, -1)},"events":[${batch.map(({ text }) => text).join(",")}]}`;
    const signature = hookSignature(body, Math.floor(time / 1000), secrets);
    const headers = { "content-type": "application/json", [SIGNATURE_HEADER]: signature };
    try {
      const request = http.post(url, body, { timeoutMs, maxBodyBytes: "unread", headers });
      // The client keeps to the time too; here it holds whatever the client does.
      return judge(await within(request, timeoutMs, clock), clock.now());
    } catch (error) {
      return { is: "failed", reason: textOf(error), waitMs: 0 };
    }
  }

  #failed(reason: string, waitMs: number): void {
    const { random, log } = this.#sending;
    this.#overflowed(this.#queue.putBack());
    this.#counters.retries++;
    this.#failures++;
    const fields = { ...this.#name, reason };
    if (this.#failures === CIRCUIT_FAILURES) {
      log.error(fields, "a hook fails and is tried with one event at a time until it answers");
    } else if (!this.#isCircuitOpen) {
      this.#warnings.warn(fields, "a hook did not take its events; they are sent again");
    }
    const pause = pauseMs(this.#failures, random);
    if (this.#isDraining) this.#wait("retry", Math.min(pause, MAX_DRAIN_PAUSE_MS));
    else this.#wait("retry", Math.max(pause, waitMs));
  }

  #answered(): void {
    if (this.#isCircuitOpen) this.#sending.log.info(this.#name, "a hook answers again");
    this.#failures = 0;
  }

  #refused(events: number, status: number): void {
    this.#counters.refused += events;
    this.#untold += events;
    const fields = { ...this.#name, status, events };
    this.#warnings.warn(fields, "a hook refused events, which are not sent again");
  }

  #overflowed(events: number): void {
    if (events === 0) return;
    this.#counters.dropped += events;
    this.#untold += events;
    const { size: queued, bytes } = this.#queue;
    this.#warnings.warn(
      { ...this.#name, queued, bytes },
      "too many events wait for a hook: the oldest are dropped",
    );
  }

  #expired(events: number): void {
    if (events === 0) return;
    this.#counters.expired += events;
    this.#untold += events;
    this.#warnings.warn({ ...this.#name, events }, "events are too old for a hook and are dropped");
  }
}

function judge({ status, retryAfter }: HttpResponse, now: number): Outcome {
  if (status >= 200 && status < 300) return { is: "delivered" };
  if (status !== 429 && status < 500) return { is: "refused", status };
  return { is: "failed", reason: `status ${status}`, waitMs: retryAfterMs(retryAfter, now) };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
