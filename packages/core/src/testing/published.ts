import type { Published } from "../broker/broker.ts";

/** The answer of a delivery that has so many subscribers, and stands in no history. */
export function reached(subscribers: number): Published {
  return { subscribers, positions: [] };
}
