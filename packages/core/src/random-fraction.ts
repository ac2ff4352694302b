import type { Random } from "./ports.ts";

/** From 0 to 1, so that many who failed together do not come back together. */
export function fraction(random: Random): number {
  const [high = 0, low = 0] = random.bytes(2);
  return (high * 256 + low) / 65_535;
}

/** From 0 to below 1. */
export function fractionBelowOne(random: Random): number {
  const [high = 0, low = 0] = random.bytes(2);
  return (high * 256 + low) / 65_536;
}
