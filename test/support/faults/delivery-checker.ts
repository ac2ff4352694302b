import type { History, Moment, Publication } from "./history.ts";
import { type Journey, journeysOf } from "./journeys.ts";
import { before, ORDERLY_GRACE_MS } from "./moments.ts";
import { disagreements } from "./one-order.ts";
import { epochOf, keyOf, nameOf, type Violation } from "./violation.ts";

export type { Violation } from "./violation.ts";

/** How long before an end that the client had to fetch, which waits for it that long, a publication is owed, ms. */
const FETCHED_GRACE_MS = 5_000;

/**
 * Finds messages that were lost, doubled, out of order or never published, also where a client
 * went away and was promised, when it came back, that it would get all that it had missed.
 */
export function checkDelivery(history: History): Violation[] {
  const { publications, stays, beats, isKept, renewals = [], reachMs } = history;
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
    return [
      ...losses(journey, published, { beats, reachMs }),
      ...wrongReceipts(journey, published, history),
      ...parts(journey, published),
      ...unnoticedRenewals(journey),
    ];
  });
  if (isKept !== true) return [...found, ...untold];
  const orders = [...byChannel].flatMap(([channel, published]) => {
    const there = journeys.filter((journey) => journey.channel === channel);
    return disagreements(channel, published, there, renewals);
  });
  return [...found, ...untold, ...orders];
}

/** What is taken into account of how a run went. */
type LossOptions = Pick<History, "beats" | "reachMs">;

/** Publications that a client was owed and did not get. */
export function losses(
  journey: Journey,
  published: readonly Publication[],
  { beats = [], reachMs = 0 }: LossOptions = {},
): Violation[] {
  const { client, stays, receipts } = journey;
  const { from, node } = stays[0] ?? {};
  const last = stays.at(-1);
  if (from === undefined || last === undefined) return [];
  const { until, ending, isFetched } = last;
  if (ending === "missed") return [];
  const returned = last.from ?? from;
  const got = new Set(receipts.map(keyOf));
  const isOver = until !== undefined;
  // What arrived shows that whatever was answered before it was sent is not still on its way.
  const latest = published.reduce(
    (latest, each) => (got.has(keyOf(each)) && each.sentAt > latest ? each.sentAt : latest),
    Number.NEGATIVE_INFINITY,
  );
  const graceMs = isFetched === true ? FETCHED_GRACE_MS : ORDERLY_GRACE_MS;
  const orderly = ending === "orderly" && isOver ? before(until, graceMs, beats) : latest;
  const owedUntil = isOver ? Math.max(latest, orderly) : Number.POSITIVE_INFINITY;
  return published
    .filter(
      (each) =>
        each.answeredAt !== undefined &&
        each.sentAt > from + (each.node === node ? 0 : reachMs) &&
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

/** What makes messages come late, or twice. */
type Disturbances = Pick<History, "lags" | "cuts" | "isKept" | "partings">;

function wrongReceipts(
  journey: Journey,
  published: readonly Publication[],
  history: Disturbances,
): Violation[] {
  const known = new Map(published.map((each) => [keyOf(each), each]));
  const seen = new Set<string>();
  const repeated = new Set<string>();
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
    } else if (
      seen.has(key) &&
      !repeated.has(key) &&
      mayRepeat(journey, publication, at, history.cuts)
    ) {
      repeated.add(key);
    } else if (seen.has(key)) {
      violations.push({ kind: "duplicate", text: `${what} got ${nameOf(publication)} again` });
    } else if (number < before && isSettled(publication, history)) {
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

/** What a client got of a past of which it had been told that it gets nothing. */
function parts(journey: Journey, published: readonly Publication[]): Violation[] {
  const [{ isReturn, recovered, askedAt, receipts } = { receipts: [] }] = journey.stays;
  if (isReturn !== true || recovered !== false || askedAt === undefined) return [];
  const past = published.filter(
    ({ answeredAt }) => answeredAt !== undefined && answeredAt < askedAt,
  );
  const keys = new Set(past.map(keyOf));
  return receipts
    .filter((receipt) => keys.has(keyOf(receipt)))
    .map((receipt) => ({
      kind: "partial",
      text: `${describe(journey)} got ${keyOf(receipt)}, which is from before`,
    }));
}

/** A history that was lost cannot be recovered, so nobody may go on over it untold. */
function unnoticedRenewals(journey: Journey): Violation[] {
  const epochs = new Set(journey.receipts.flatMap(({ position }) => epochOf(position) ?? []));
  if (epochs.size < 2) return [];
  const text = `${describe(journey)} went on from ${[...epochs].join(" to ")} as if nothing were lost`;
  return [{ kind: "false recovery", text }];
}

/**
 * Whether a receipt may be the second: the publication has a key and was under way when a worker lost
 * the node, it was published again afterwards, and the client is told that it came upon a gap.
 */
function mayRepeat(
  { stays }: Journey,
  { sentAt, answeredAt = Number.POSITIVE_INFINITY, isKeyed }: Publication,
  at: Moment,
  cuts: readonly Moment[],
): boolean {
  if (isKeyed !== true || stays.at(-1)?.ending !== "missed") return false;
  return cuts.some((cutAt) => sentAt < cutAt && cutAt < answeredAt && cutAt < at);
}

/** Whether a publication has arrived everywhere before whatever is published after its answer. */
function isSettled(
  { answeredAt, node }: Publication,
  { lags, isKept, partings = [] }: Disturbances,
): boolean {
  if (answeredAt === undefined) return false;
  const isUnnumbered = node === undefined && isKept !== true;
  const times = isUnnumbered ? [...lags, ...partings] : lags;
  return !times.some(([from, until]) => answeredAt > from && answeredAt < until);
}

function describe({ client, channel, stays }: Journey): string {
  const parts = stays.map(({ from, until, ending }) => {
    const end = until === undefined ? "the end" : `${until.toFixed(1)} (${ending ?? "left"})`;
    return `from ${from?.toFixed(1)} to ${end}`;
  });
  return `${client} in ${channel} ${parts.join(", and ")}`;
}
