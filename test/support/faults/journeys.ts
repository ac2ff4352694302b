import type { Receipt, Stay } from "./history.ts";

/** One or more stays of a client, each but the first promised to go on where the one before ended. */
export interface Journey {
  readonly client: string;
  readonly channel: string;
  /** Never empty. */
  readonly stays: readonly Stay[];
  readonly receipts: readonly Receipt[];
}

/** The journeys that stays make, which stand in the order in which each client had them. */
export function journeysOf(stays: readonly Stay[]): Journey[] {
  const open = new Map<string, Stay[]>();
  const all: Stay[][] = [];
  for (const stay of stays) {
    const key = `${stay.client}\n${stay.channel}`;
    // To one that was never acknowledged nothing was promised, and nothing was sent.
    if (stay.from === undefined && stay.receipts.length === 0) continue;
    const before = open.get(key);
    if (stay.isReturn === true && stay.recovered === true && before !== undefined) {
      before.push(stay);
      continue;
    }
    const begun = [stay];
    open.set(key, begun);
    all.push(begun);
  }
  return all.map((parts) => {
    const [{ client, channel } = { client: "", channel: "" }] = parts;
    const receipts = parts.flatMap((stay) => stay.receipts);
    return { client, channel, stays: parts, receipts };
  });
}
