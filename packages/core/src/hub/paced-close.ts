import type { CloseName } from "@starling/protocol/close-codes.ts";
import type { Clock, Random } from "../ports.ts";
import type { Subscriber } from "./subscriber.ts";

export interface PacedClose {
  /** Whom to close; who is gone before their turn is passed over. */
  readonly subscribers: readonly Subscriber[];
  readonly reason: CloseName;
  /** Milliseconds over which to spread it; fewer are taken where that would be a trickle. */
  readonly withinMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 100;
/** Connections a second that are closed at least, since a server takes that many without effort. */
const LEAST_RATE = 200;

/**
 * Closes connections a few at a time, in random order, so that their clients do not all come back at
 * once. Settles when all are closed.
 */
export function closePaced(options: PacedClose): Promise<void> {
  const { reason, withinMs, clock, random } = options;
  const waiting = [...options.subscribers];
  const deadline = clock.now() + withinMs;
  return new Promise((resolve) => {
    const next = (): void => {
      const leftMs = deadline - clock.now();
      const pauseMs = SHORTEST_PAUSE_MS + fraction(random) * (LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS);
      if (waiting.length === 0) {
        resolve();
      } else if (leftMs < pauseMs) {
        clock.setTimeout(() => close(waiting.length), Math.max(0, leftMs));
      } else {
        const share = Math.max(waiting.length / leftMs, LEAST_RATE / 1000);
        clock.setTimeout(() => close(Math.ceil(share * pauseMs)), pauseMs);
      }
    };
    const close = (count: number): void => {
      for (let closed = 0; closed < count && waiting.length > 0; closed++) {
        take(waiting, random)?.close(reason);
      }
      next();
    };
    next();
  });
}

/** One at random that is still there, or undefined when that one is gone. */
function take(waiting: Subscriber[], random: Random): Subscriber | undefined {
  const index = Math.floor(fraction(random) * waiting.length);
  const chosen = waiting[index];
  const last = waiting.pop();
  if (last !== undefined && index < waiting.length) waiting[index] = last;
  return chosen?.bagIndex === -1 ? undefined : chosen;
}

/** From 0 to below 1. */
function fraction(random: Random): number {
  const [a = 0, b = 0, c = 0] = random.bytes(3);
  return (a * 65_536 + b * 256 + c) / 16_777_216;
}
