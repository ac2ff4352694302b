import type { Random } from "../ports.ts";

/** A random number from 0 up to but not 1. */
export function fraction(random: Random): number {
  const [high = 0, low = 0] = random.bytes(2);
  return (high * 256 + low) / 65_536;
}
