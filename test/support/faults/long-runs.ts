import type { SeededRandom } from "./seeded-random.ts";

const { FAULT_LONG } = process.env;

/** What runs of `npm run chaos` may take longer than those of `npm test`, ms. */
export const longMs = FAULT_LONG === undefined ? 0 : 30_000;

/** Who comes over WebTransport in those alone, where most of the time would be spent on starting what serves it. */
export const quicPlan = { quicMembers: longMs && 2, switchingMembers: longMs && 2 } as const;

/** For how long NATS is away: longer than a publication waits for it, so that some are refused, ms. */
export function outageMs(random: SeededRandom): number {
  const shortMs = random.integer(5_500, 7_000);
  return longMs || shortMs;
}
