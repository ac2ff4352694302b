import type { History, Publication } from "./history.ts";
import { type Journey, journeysOf } from "./journeys.ts";
import { disagreements } from "./one-order.ts";
import { keyOf, nameOf, type Violation } from "./violation.ts";

export type { Violation } from "./violation.ts";

/**
 * How long before an orderly end a publication must have been answered to be owed, in milliseconds:
 * the close may have been on its way when the answer was.
 */
const ORDERLY_GRACE_MS = 500;

/**
 * Finds messages that were lost, doubled, out of order or never published, also where a client
 * went away and was promised, when it came back, that it would get all that it had missed.
 */
export function checkDelivery({ publications, stays, lags, isKept }: History): Violation[] {
  const byChannel = Map.groupBy(publications, ({ channel }) => channel);
  const journeys = journeysOf(stays);
  const untold = stays
    .filter(
      ({ from, isReturn, recovered }) => isReturn && from !== undefined && recovered === undefined,
    )
    .map(({ client, channel }): Violation => {
      return { kind: "untold", text: `${client} was not told what it had missed in ${channel}` };
    });
  const found = journeys.flatMap((journey) => {
    const published = byChannel.get(journey.channel) ?? [];
    return [...losses(journey, published), ...wrongReceipts(journey, published, lags)];
  });
  if (isKept !== true) return [...found, ...untold];
  const orders = [...byChannel].flatMap(([channel, published]) => {
    const there = journeys.filter((journey) => journey.channel === channel);
    return disagreements(channel, published, there);
  });
  return [...found, ...untold, ...orders];
}

/** Publications that a client was owed and did not get. */
export function losses(journey: Journey, published: readonly Publication[]): Violation[] {
  const { client, stays, receipts } = journey;
  const from = stays[0]?.from;
  const last = stays.at(-1);
  if (from === undefined || last === undefined) return [];
  const { until, ending } = last;
  if (ending === "missed") return [];
  const returned = last.from ?? from;
  const got = new Set(receipts.map(keyOf));
  const isOver = until !== undefined;
  // What arrived shows that whatever was answered before it was sent is not still on its way.
  const latest = published.reduce(
    (latest, each) => (got.has(keyOf(each)) && each.sentAt > latest ? each.sentAt : latest),
    Number.NEGATIVE_INFINITY,
  );
  const orderly = ending === "orderly" && isOver ? until - ORDERLY_GRACE_MS : latest;
  const owedUntil = isOver ? Math.max(latest, orderly) : Number.POSITIVE_INFINITY;
  return published
    .filter(
      (each) =>
        each.answeredAt !== undefined &&
        each.sentAt > from &&
        each.answeredAt < owedUntil &&
        each.answeredAt < (until ?? Number.POSITIVE_INFINITY) &&
        each.publisher !== client &&
        !got.has(keyOf(each)),
    )
    .map((each) => ({
      kind: (each.answeredAt ?? 0) < returned ? "false recovery" : "loss",
      text: `${describe(journey)} did not get ${nameOf(each)}`,
    }));
}

function wrongReceipts(
  journey: Journey,
  published: readonly Publication[],
  lags: History["lags"],
): Violation[] {
  const known = new Map(published.map((each) => [keyOf(each), each]));
  const seen = new Set<string>();
  const highest = new Map<string, number>();
  const violations: Violation[] = [];
  for (const receipt of journey.receipts) {
    const { publisher, number, at } = receipt;
    const key = keyOf(receipt);
    const what = `${describe(journey)} at ${at.toFixed(1)}`;
    const publication = known.get(key);
    const before = highest.get(publisher) ?? 0;
    if (publication === undefined || publication.sentAt > at) {
      violations.push({ kind: "unknown", text: `${what} got ${key}, which nobody had published` });
    } else if (seen.has(key)) {
      violations.push({ kind: "duplicate", text: `${what} got ${nameOf(publication)} again` });
    } else if (number < before && isSettled(publication, lags)) {
      violations.push({
        kind: "order",
        text: `${what} got ${nameOf(publication)} after ${before}`,
      });
    }
    seen.add(key);
    highest.set(publisher, Math.max(before, number));
  }
  return violations;
}

/** Whether a publication has arrived everywhere before whatever is published after its answer. */
function isSettled({ answeredAt }: Publication, lags: History["lags"]): boolean {
  if (answeredAt === undefined) return false;
  return !lags.some(([from, until]) => answeredAt > from && answeredAt < until);
}

function describe({ client, channel, stays }: Journey): string {
  const parts = stays.map(({ from, until, ending }) => {
    const end = until === undefined ? "the end" : `${until.toFixed(1)} (${ending ?? "left"})`;
    return `from ${from?.toFixed(1)} to ${end}`;
  });
  return `${client} in ${channel} ${parts.join(", and ")}`;
}
