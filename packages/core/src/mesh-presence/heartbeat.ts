import type { Clock, Random, TimerHandle } from "../ports.ts";
import { fractionBelowOne } from "../random-fraction.ts";
import type { Incarnation, MeshTransport } from "./messages.ts";
import type { OwnPresence } from "./own-presence.ts";

/** Ticks in the time of a lease, and from one beat to the next. */
export const LEASE_TICKS = 10;
const BEAT_TICKS = 2;
/** Changes that one beat names. */
const CHANGES = 3_000;

export interface HeartbeatOptions {
  readonly transport: MeshTransport;
  readonly incarnation: Incarnation;
  readonly own: OwnPresence;
  readonly clock: Clock;
  readonly random: Random;
  readonly leaseMs: number;
  readonly jitterMs: number;
  /** What the node says of itself. */
  about(): string;
  /** Tells the others what they have not been told yet. */
  flush(): void;
  ticked(tick: number): void;
}

/**
 * Says again and again that this node is there, and counts the time of leases.
 *
 * Time is counted in ticks of one timer and not read from a clock, so that a clock that is set, or a process that stood
 * still, ends no lease.
 */
export class Heartbeat {
  readonly transport: MeshTransport;
  readonly #options: HeartbeatOptions;
  #timer: TimerHandle;
  #soon: TimerHandle | undefined;
  #sequence = 0;
  #isUp = false;
  tick = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.transport = options.transport;
    this.#timer = this.#next();
  }

  /** Begins, or goes on after the link was down, and asks who is there. */
  hello(): void {
    this.#isUp = true;
    this.#beat(true);
  }

  linkDown(): void {
    this.#isUp = false;
  }

  /** Somebody has asked who is there, or what the node says of itself has changed. */
  soon(): void {
    const { clock, random, jitterMs } = this.#options;
    const delayMs = (jitterMs / 4) * fractionBelowOne(random);
    this.#soon ??= clock.setTimeout(() => {
      this.#soon = undefined;
      if (this.#isUp) this.#beat(false);
    }, delayMs);
  }

  /** Says at once what was to be said soon. */
  hurry(): void {
    if (this.#soon === undefined) return;
    this.#options.clock.clearTimeout(this.#soon);
    this.#soon = undefined;
    if (this.#isUp) this.#beat(false);
  }

  bye(): void {
    this.transport.send({ to: "all" }, { type: "bye" });
  }

  stop(): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    if (this.#soon !== undefined) clock.clearTimeout(this.#soon);
  }

  #next(): TimerHandle {
    const { clock, leaseMs, ticked } = this.#options;
    return clock.setTimeout(() => {
      this.#timer = this.#next();
      this.tick++;
      if (this.#isUp && this.tick % BEAT_TICKS === 0) this.#beat(false);
      ticked(this.tick);
    }, leaseMs / LEASE_TICKS);
  }

  #beat(isHello: boolean): void {
    const { own, incarnation, flush } = this.#options;
    flush();
    const about = this.#options.about();
    const changes = own.takeChanges();
    // A beat that is missing says that anything may have changed.
    if (changes === undefined) this.#sequence++;
    const { node, since } = incarnation;
    const { now, channels } = own;
    for (let at = 0; at === 0 || at < (changes?.length ?? 0); at += CHANGES) {
      this.#sequence++;
      this.transport.send(
        { to: "all" },
        {
          ...{ type: "beat", node, since, sequence: this.#sequence, now, channels },
          isHello: isHello && at === 0,
          about,
          changes: changes?.slice(at, at + CHANGES) ?? [],
        },
      );
    }
  }
}
