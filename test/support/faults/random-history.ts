import type {
  Ending,
  History,
  Membership,
  Moment,
  Publication,
  Receipt,
  Sight,
  Stay,
} from "./history.ts";
import type { PresenceLimits } from "./presence-checker.ts";
import { SeededRandom } from "./seeded-random.ts";

const CHANNEL = "room";
const PUBLISHERS = ["ada", "bob", "eve"];
/** Far more than `randomLimits` between two events that depend on each other. */
const STEP = 10_000;

export const randomLimits: PresenceLimits = { leaseMs: 2_000, slackMs: 500 };

/** A record that an injection may still change. */
export interface Draft extends History {
  readonly publications: Publication[];
  readonly stays: (Stay & { readonly receipts: Receipt[] })[];
  readonly memberships: (Membership & { readonly sights: Sight[] })[];
}

/** A history in which every guarantee was kept; in its first stay and membership somebody is always there. */
export function randomHistory(seed: number): Draft {
  const random = new SeededRandom(seed);
  const publications = randomPublications(random);
  const last = (publications.at(-1)?.sentAt ?? 0) + STEP;
  const stays = Array.from({ length: 4 }, (_, index) => {
    const isWhole = index === 0;
    const from = isWhole ? 1 : random.integer(1, last);
    const until = isWhole || random.next() < 0.4 ? undefined : random.integer(from, last);
    const ending = random.pick<Ending>(["broken", "orderly", "missed"]);
    const receipts = randomReceipts(random, publications, from, until, ending);
    const end = until === undefined ? {} : { until, ending };
    return { client: `client-${index}`, channel: CHANNEL, from, ...end, receipts };
  });
  const memberships = randomMemberships(random);
  const end = Math.max(last, ...memberships.map(({ until = 0 }) => until)) + 10 * STEP;
  return { publications, stays, memberships, lags: [], cuts: [], end };
}

function randomPublications(random: SeededRandom): Publication[] {
  const publications = PUBLISHERS.flatMap((publisher) => {
    let now = random.integer(10, STEP);
    return Array.from({ length: random.integer(3, 12) }, (_, index): Publication => {
      const sentAt = now + random.next();
      const answeredAt = sentAt + random.integer(1, 200);
      now = answeredAt + random.integer(1, 3 * STEP);
      const isAnswered = index < 2 || random.next() < 0.8;
      return {
        publisher,
        channel: CHANNEL,
        number: index + 1,
        sentAt,
        answeredAt: isAnswered ? answeredAt : undefined,
      };
    });
  });
  return publications.toSorted((a, b) => a.sentAt - b.sentAt);
}

function randomReceipts(
  random: SeededRandom,
  publications: readonly Publication[],
  from: Moment,
  until: Moment = Number.POSITIVE_INFINITY,
  ending: Ending = "broken",
): Receipt[] {
  // A broken connection may have been of no use for a while before its client noticed.
  const tail = ending === "orderly" ? 0 : random.integer(0, 2 * STEP);
  return publications
    .filter(({ answeredAt }) => answeredAt !== undefined || random.next() < 0.5)
    .map(({ publisher, number, sentAt }) => ({ publisher, number, at: sentAt + 0.5 }))
    .filter(({ at }) => at > from && at < until - tail);
}

/** Members that come and go, one at a time; the first is there all along, the last to the end. */
function randomMemberships(random: SeededRandom): Draft["memberships"] {
  const always: Membership & { readonly sights: Sight[] } = {
    member: "always",
    channel: CHANNEL,
    from: 1,
    sights: [],
  };
  const others: (Membership & { readonly sights: Sight[] })[] = [];
  let now = STEP;
  for (let index = 0; index < random.integer(2, 6); index++) {
    const member = `member-${random.integer(1, 3)}`;
    const [from, until] = [now, now + random.integer(1, 5) * STEP];
    const gone = until + random.integer(1, randomLimits.leaseMs);
    always.sights.push(
      { what: random.pick(["online", "state"] as const), member, at: from + 1 },
      { what: "offline", member, at: gone },
    );
    const sights: Sight[] = [{ what: "listed", member: "always", at: from + 1 }];
    others.push({ member, channel: CHANNEL, from, until, sights });
    now = gone + STEP;
  }
  return [always, ...others, staying(always, random, now)];
}

/** One that comes last, and says something new a few times. */
function staying(
  { member: other, sights }: Draft["memberships"][number],
  random: SeededRandom,
  from: Moment,
): Draft["memberships"][number] {
  const member = "staying";
  const state = random.integer(1, 4);
  sights.push({ what: "online", member, at: from + 1 });
  for (let number = 1; number <= state; number++) {
    sights.push({ what: "state", member, at: from + 1 + number, state: number });
  }
  const listed: Sight = { what: "listed", member: other, at: from + 1 };
  return { member, channel: CHANNEL, from, state, sights: [listed] };
}
