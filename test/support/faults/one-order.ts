import type { History, Publication } from "./history.ts";
import type { Journey } from "./journeys.ts";
import { epochOf, keyOf, type Violation } from "./violation.ts";

/** What is shown of publications that stand in no order. */
const MAX_SHOWN = 4;

/**
 * Whether all clients of a channel that keeps history saw one order, which is that of the positions, and
 * each publication at one position.
 */
export function disagreements(
  channel: string,
  published: readonly Publication[],
  journeys: readonly Journey[],
  renewals: NonNullable<History["renewals"]>,
): Violation[] {
  // What was on its way when histories were lost may stand in the old one and in the new one.
  const keys = new Set(published.filter((each) => isUnderWay(each, renewals)).map(keyOf));
  const isSingle = (each: Said) => !keys.has(keyOf(each));
  const single = journeys.map(({ receipts, ...journey }) => {
    return { ...journey, receipts: receipts.filter(isSingle) };
  });
  const publications = published.filter(isSingle);
  return [...twoPositions(channel, publications, single), ...cycles(channel, publications, single)];
}

type Said = Parameters<typeof keyOf>[0];

function isUnderWay(
  { sentAt, answeredAt = Number.POSITIVE_INFINITY }: Publication,
  renewals: NonNullable<History["renewals"]>,
): boolean {
  return renewals.some(([from, until]) => sentAt < until && from < answeredAt);
}

function twoPositions(
  channel: string,
  published: readonly Publication[],
  journeys: readonly Journey[],
): Violation[] {
  const known = new Map<string, string>();
  const violations: Violation[] = [];
  for (const said of [...published, ...journeys.flatMap(({ receipts }) => receipts)]) {
    const { position } = said;
    if (position === undefined) continue;
    const key = keyOf(said);
    const other = known.get(key) ?? position;
    known.set(key, other);
    if (other === position) continue;
    const text = `${key} in ${channel} stands at ${other} and at ${position}`;
    violations.push({ kind: "two positions", text });
  }
  return violations;
}

/** One order is there where no publication comes, over however many clients, before itself. */
function cycles(
  channel: string,
  published: readonly Publication[],
  journeys: readonly Journey[],
): Violation[] {
  const followers = new Map<string, Set<string>>();
  const before = new Map<string, number>();
  for (const sequence of [...positioned(published), ...journeys.map(sequenceOf)]) {
    for (const [index, key] of sequence.entries()) {
      const next = sequence[index + 1];
      const mine = followers.get(key) ?? new Set();
      followers.set(key, mine);
      if (next === undefined || mine.has(next)) continue;
      mine.add(next);
      before.set(next, (before.get(next) ?? 0) + 1);
    }
  }
  const first = [...followers.keys()].filter((key) => !before.has(key));
  let placed = 0;
  for (let key = first.pop(); key !== undefined; key = first.pop()) {
    placed++;
    for (const next of followers.get(key) ?? []) {
      const rest = (before.get(next) ?? 0) - 1;
      before.set(next, rest);
      if (rest === 0) first.push(next);
    }
  }
  if (placed === followers.size) return [];
  const some = [...before].filter(([, count]) => count > 0).slice(0, MAX_SHOWN);
  const text = `clients of ${channel} saw ${some.map(([key]) => key).join(", ")} in different orders`;
  return [{ kind: "disagreement", text }];
}

/** What publishers were told the order is, in each history that there was. */
function positioned(published: readonly Publication[]): string[][] {
  const known = published.flatMap((publication) => {
    const { position } = publication;
    if (position === undefined) return [];
    const offset = Number(position.slice(position.lastIndexOf(".") + 1));
    return [{ key: keyOf(publication), epoch: epochOf(position), offset }];
  });
  return [...Map.groupBy(known, ({ epoch }) => epoch).values()].map((each) =>
    each.toSorted((a, b) => a.offset - b.offset).map(({ key }) => key),
  );
}

function sequenceOf({ receipts }: Journey): string[] {
  return [...new Set(receipts.map(keyOf))];
}
