import type { History, Moment, Publication, Stay } from "./history.ts";

/** Something that a guarantee forbids. */
export interface Violation {
  readonly kind:
    | "loss"
    | "duplicate"
    | "order"
    | "unknown"
    | "ghost"
    | "missing member"
    | "double offline";
  readonly text: string;
}

/**
 * How long before an orderly end a publication must have been answered to be owed, in milliseconds:
 * the close may have been on its way when the answer was.
 */
const ORDERLY_GRACE_MS = 500;
/** The same where the client had to fetch its end, which waits for it that long. */
const FETCHED_GRACE_MS = 5_000;

/** Finds messages that were lost, doubled, out of order or never published. */
export function checkDelivery({ publications, stays, lags, cuts }: History): Violation[] {
  const byChannel = Map.groupBy(publications, ({ channel }) => channel);
  return stays.flatMap((stay) => {
    const published = byChannel.get(stay.channel) ?? [];
    return [...losses(stay, published), ...wrongReceipts(stay, published, { lags, cuts })];
  });
}

/** Publications that a client was owed in a stay and did not get. */
export function losses(stay: Stay, published: readonly Publication[]): Violation[] {
  const { from, until, ending, client, isFetched } = stay;
  if (from === undefined || ending === "missed") return [];
  const got = new Set(stay.receipts.map(keyOf));
  const isOver = until !== undefined;
  // What arrived shows that whatever was answered before it was sent is not still on its way.
  const latest = published.reduce(
    (last, each) => (got.has(keyOf(each)) && each.sentAt > last ? each.sentAt : last),
    Number.NEGATIVE_INFINITY,
  );
  const graceMs = isFetched === true ? FETCHED_GRACE_MS : ORDERLY_GRACE_MS;
  const orderly = ending === "orderly" && isOver ? until - graceMs : latest;
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
    .map((each) => ({ kind: "loss", text: `${describe(stay)} did not get ${name(each)}` }));
}

function wrongReceipts(
  stay: Stay,
  published: readonly Publication[],
  { lags, cuts }: Pick<History, "lags" | "cuts">,
): Violation[] {
  const known = new Map(published.map((each) => [keyOf(each), each]));
  const seen = new Set<string>();
  const repeated = new Set<string>();
  const highest = new Map<string, number>();
  const violations: Violation[] = [];
  for (const receipt of stay.receipts) {
    const { publisher, number, at } = receipt;
    const key = keyOf(receipt);
    const what = `${describe(stay)} at ${at.toFixed(1)}`;
    const publication = known.get(key);
    const before = highest.get(publisher) ?? 0;
    if (publication === undefined || publication.sentAt > at) {
      violations.push({ kind: "unknown", text: `${what} got ${key}, which nobody had published` });
    } else if (seen.has(key) && !repeated.has(key) && mayRepeat(stay, publication, at, cuts)) {
      repeated.add(key);
    } else if (seen.has(key)) {
      violations.push({ kind: "duplicate", text: `${what} got ${name(publication)} again` });
    } else if (number < before && isSettled(publication, lags)) {
      violations.push({ kind: "order", text: `${what} got ${name(publication)} after ${before}` });
    }
    seen.add(key);
    highest.set(publisher, Math.max(before, number));
  }
  return violations;
}

/**
 * Whether a receipt may be the second: the publication has a key and was under way when a worker lost
 * the node, it was published again afterwards, and the client is told that it came upon a gap.
 */
function mayRepeat(
  { ending }: Stay,
  { sentAt, answeredAt = Number.POSITIVE_INFINITY, isKeyed }: Publication,
  at: Moment,
  cuts: readonly Moment[],
): boolean {
  if (isKeyed !== true || ending !== "missed") return false;
  return cuts.some((cutAt) => sentAt < cutAt && cutAt < answeredAt && cutAt < at);
}

/** Whether a publication has arrived everywhere before whatever is published after its answer. */
function isSettled({ answeredAt }: Publication, lags: History["lags"]): boolean {
  if (answeredAt === undefined) return false;
  return !lags.some(([from, until]) => answeredAt > from && answeredAt < until);
}

function keyOf({ publisher, number }: { readonly publisher: string; readonly number: number }) {
  return `${publisher} ${number}`;
}

function name({ publisher, number, sentAt, answeredAt }: Publication): string {
  return `${publisher} ${number} (sent ${sentAt.toFixed(1)}, answered ${answeredAt?.toFixed(1)})`;
}

function describe({ client, channel, from, until, ending }: Stay): string {
  const end = until === undefined ? "the end" : `${until.toFixed(1)} (${ending ?? "left"})`;
  return `${client} in ${channel} from ${from?.toFixed(1)} to ${end}`;
}
