import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";

/** `up`, `up, 250 ms behind` or `down for 12s`. */
export function linkText({ downMs, lagMs }: LinkReport): string {
  if (downMs !== null) return `down for ${duration(downMs)}`;
  return lagMs === null || lagMs < BEHIND_MS ? "up" : `up, ${lagMs} ms behind`;
}

/** Less is the time that a message takes to a far server and back, ms. */
const BEHIND_MS = 500;

/** The two largest units, such as `3d 4h`. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0s";
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}
