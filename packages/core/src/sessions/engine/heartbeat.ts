import { Bag, type BagMember } from "../../hub/bag.ts";
import type { Clock, TimerHandle } from "../../ports.ts";

/** What the wheel asks of a connection. */
export interface HeartbeatMember extends BagMember {
  /** When the ping that still lacks its pong was sent, in milliseconds; 0 when none does. */
  pingedAt: number;
}

export interface HeartbeatOptions<Member extends HeartbeatMember> {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Pings everybody in a slot. */
  ping(slot: number, members: readonly Member[]): void;
  /** A member did not answer in time. */
  expire(member: Member): void;
}

/** How many groups share the pings of one interval. */
const SLOTS = 30;

/**
 * Heartbeats for any number of connections with a single timer.
 *
 * Members are spread over slots by the moment they were added; each slot is pinged once an
 * interval, and checked once the timeout has passed. A member is pinged for the first time at most
 * one interval after it was added, and at most a thirtieth of an interval earlier.
 */
export class HeartbeatWheel<Member extends HeartbeatMember> {
  readonly #options: HeartbeatOptions<Member>;
  readonly #slots: readonly Bag<Member>[] = Array.from({ length: SLOTS }, () => new Bag<Member>());
  readonly #stepMs: number;
  /** Steps from a slot's ping to its check. */
  readonly #timeoutSteps: number;
  #size = 0;
  /** Number of the next step. */
  #step = 0;
  #nextStepAt = 0;
  #timer: TimerHandle | undefined;

  constructor(options: HeartbeatOptions<Member>) {
    this.#options = options;
    this.#stepMs = options.intervalMs / SLOTS;
    this.#timeoutSteps = Math.ceil(options.timeoutMs / this.#stepMs);
  }

  /** Answers the slot, which `remove` wants back. */
  add(member: Member): number {
    if (this.#timer === undefined) {
      this.#nextStepAt = this.#options.clock.now() + this.#stepMs;
      this.#schedule();
    }
    this.#size++;
    const latest = (this.#step + SLOTS - 1) % SLOTS;
    this.#slots[latest]?.add(member);
    return latest;
  }

  remove(member: Member, slot: number): void {
    if (this.#slots[slot]?.remove(member) !== true) return;
    this.#size--;
    if (this.#size === 0) this.stop();
  }

  /** Everybody, in no order. */
  members(): Member[] {
    return this.#slots.flatMap((slot) => [...slot.values()]);
  }

  /** Ends the timer; adding a member starts it again. */
  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    const { clock } = this.#options;
    const delay = Math.max(0, this.#nextStepAt - clock.now());
    this.#timer = clock.setTimeout(() => this.#tick(), delay);
  }

  #tick(): void {
    const { clock, timeoutMs } = this.#options;
    this.#timer = undefined;
    const lag = clock.now() - this.#nextStepAt;
    // After a pause of the whole process the pongs are still unread, so nobody is late yet; a clock
    // that was set back must not stop the pings until it is there again.
    if (Math.abs(lag) > timeoutMs / 2) this.#forgive(lag);
    while (this.#nextStepAt <= clock.now()) this.#runStep();
    if (this.#size > 0 && this.#timer === undefined) this.#schedule();
  }

  #runStep(): void {
    // The planned moment, not the clock's: a late ping must not shift the check that follows it.
    const now = this.#nextStepAt;
    const slot = this.#step % SLOTS;
    this.#step++;
    this.#nextStepAt += this.#stepMs;
    this.#check((slot + SLOTS * this.#timeoutSteps - this.#timeoutSteps) % SLOTS, now);
    const members = this.#slots[slot]?.values() ?? [];
    if (members.length === 0) return;
    for (const member of members) if (member.pingedAt === 0) member.pingedAt = now;
    this.#options.ping(slot, members);
  }

  #check(slot: number, now: number): void {
    const latest = now - this.#options.timeoutMs + this.#stepMs / 2;
    const members = this.#slots[slot]?.values() ?? [];
    const late = members.filter(({ pingedAt }) => pingedAt !== 0 && pingedAt <= latest);
    for (const member of late) this.#options.expire(member);
  }

  #forgive(lag: number): void {
    this.#nextStepAt += lag;
    for (const member of this.members()) if (member.pingedAt !== 0) member.pingedAt += lag;
  }
}
