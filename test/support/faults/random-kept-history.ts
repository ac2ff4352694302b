import type { Ending, Publication, Receipt, Stay } from "./history.ts";
import type { Draft } from "./random-history.ts";
import { SeededRandom } from "./seeded-random.ts";

const CHANNEL = "room";
const PUBLISHERS = ["ada", "bob", "eve"];
const CLIENTS = 4;
/** Between two publications, and far longer than any of them takes. */
const STEP = 1_000;

/** So many are answered in any case, and the first two of each publisher come first. */
const SURE = 8;

/**
 * A history of a channel that keeps everything, with clients that go and come back; each gets all that it
 * missed. The first client gets four or five of the first six publications in its first stay, and the rest,
 * without any that it was not owed, in those that follow.
 */
export function randomKeptHistory(seed: number): Draft {
  const random = new SeededRandom(seed);
  const publications = randomPublications(random);
  const end = (publications.length + 1) * STEP;
  // What nobody was told ok of is kept or not: for all clients alike.
  const kept = publications.filter(({ position }) => position !== undefined || random.next() < 0.5);
  const stays = Array.from({ length: CLIENTS }, (_, index) =>
    randomStays(random, `client-${index}`, kept, index === 0 ? 1 : random.integer(2, end / 2), end),
  );
  return {
    publications,
    stays: stays.flat(),
    memberships: [],
    lags: [],
    cuts: [],
    end,
    isKept: true,
  };
}

function randomPublications(random: SeededRandom): Publication[] {
  const numbers = new Map<string, number>();
  return Array.from({ length: random.integer(12, 40) }, (_, index) => {
    const publisher =
      index < 2 * PUBLISHERS.length
        ? (PUBLISHERS[index % PUBLISHERS.length] ?? "")
        : random.pick(PUBLISHERS);
    const number = (numbers.get(publisher) ?? 0) + 1;
    numbers.set(publisher, number);
    const sentAt = (index + 1) * STEP + random.next();
    const isAnswered = index < SURE || random.next() < 0.9;
    return {
      publisher,
      channel: CHANNEL,
      number,
      sentAt,
      ...(isAnswered ? { answeredAt: sentAt + 50, position: `e.${index + 1}` } : {}),
    };
  });
}

/** Each stay goes on where the one before ended. */
function randomStays(
  random: SeededRandom,
  client: string,
  kept: readonly Publication[],
  start: number,
  end: number,
): Draft["stays"] {
  const stays: Draft["stays"] = [];
  let next = kept.findIndex(({ sentAt }) => sentAt > start);
  if (next < 0) next = kept.length;
  let from = start;
  const parts = random.integer(2, 4);
  for (let part = 1; part <= parts; part++) {
    const isLast = part === parts;
    const isFirstOfAll = start === 1 && part === 1;
    const usual = isLast ? end : from + random.integer(1, Math.ceil((end - from) / 2));
    const until = isFirstOfAll ? SURE * STEP : usual;
    const most = isFirstOfAll ? random.integer(4, 5) : kept.length;
    const receipts: Receipt[] = [];
    for (; next < kept.length; next++) {
      const each = kept[next];
      // A broken connection may have been of no use for a while.
      if (each === undefined || each.sentAt + 1 >= until || receipts.length === most) break;
      if (!isLast && start > 1 && random.next() < 0.1) break;
      const { publisher, number, position } = each;
      receipts.push({ publisher, number, position, at: Math.max(from, each.sentAt) + 0.5 });
    }
    const isReturn = part > 1;
    const ending = random.pick<Ending>(["broken", "orderly", "missed"]);
    stays.push({
      client,
      channel: CHANNEL,
      from,
      receipts,
      ...(isReturn ? { isReturn, recovered: true } : {}),
      ...(isLast ? {} : { until, ending }),
    } satisfies Stay);
    from = Math.min(end - 1, until + random.integer(1, 2 * STEP));
  }
  return stays;
}
