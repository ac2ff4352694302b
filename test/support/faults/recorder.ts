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

/** A record that its owner goes on writing. */
type Open<T> = { -readonly [K in keyof T]: T[K] };

export type OpenPublication = Open<Publication>;
export type OpenStay = Open<Omit<Stay, "receipts">> & { readonly receipts: Receipt[] };
export type OpenMembership = Open<Omit<Membership, "sights">> & { readonly sights: Sight[] };

/** The end of one connection. */
export interface ConnectionEnd {
  readonly client: string;
  readonly at: Moment;
  readonly ending: Ending;
  /** WebSocket close code, where the client learns of one. */
  readonly code?: number | undefined;
  /** Whether a notice came before (version 2 of the signalling protocol). */
  readonly isNoticed?: boolean | undefined;
  /** More of it for a person, where there is more to say. */
  readonly why?: string;
}

/** A request of a publisher that was not answered with ok. */
export interface Failure {
  readonly publisher: string;
  readonly at: Moment;
  readonly reason: string;
}

/** What a publication carries beside its padding. */
interface Content {
  readonly p: string;
  readonly c: string;
  readonly n: number;
  readonly x: string;
  readonly l: number;
}

/** Writes down what happens in a run, with one clock for all. */
export class Recorder {
  readonly ends: ConnectionEnd[] = [];
  readonly failures: Failure[] = [];
  /** What should not have happened to a client. */
  readonly troubles: string[] = [];
  readonly #publications: OpenPublication[] = [];
  readonly #stays: OpenStay[] = [];
  readonly #memberships: OpenMembership[] = [];
  /** Whether the channels keep history. */
  isKept = false;
  /** Milliseconds until a new subscription is known at other nodes. */
  reachMs = 0;
  readonly #lags: [Moment, Moment][] = [];
  readonly #cuts: Moment[] = [];
  readonly #renewals: [Moment, Moment][] = [];
  readonly #partings: [Moment, Moment][] = [];
  readonly #beats: Moment[] = [];
  readonly #numbers = new Map<string, number>();
  #now = 0;

  now(): Moment {
    this.#now = Math.max(this.#now + 0.000_1, performance.now());
    return this.#now;
  }

  /** The next message of a publisher in a channel, from now on on its way. */
  publication(publisher: string, channel: string, isKeyed = false, node?: number): OpenPublication {
    const key = `${publisher} ${channel}`;
    const number = (this.#numbers.get(key) ?? 0) + 1;
    this.#numbers.set(key, number);
    const [sentAt, answeredAt] = [this.now(), undefined];
    const publication: OpenPublication = {
      publisher,
      channel,
      number,
      sentAt,
      answeredAt,
      isKeyed,
      node,
    };
    this.#publications.push(publication);
    return publication;
  }

  /** A subscription that is asked for. */
  stay(client: string, channel: string, askedAt: Moment, node?: number): OpenStay {
    const stay = {
      client,
      channel,
      node,
      askedAt,
      from: undefined,
      until: undefined,
      receipts: [],
    };
    this.#stays.push(stay);
    return stay;
  }

  membership(member: string, channel: string): OpenMembership {
    const [askedAt, from, until] = [this.now(), undefined, undefined];
    const membership: OpenMembership = { member, channel, askedAt, from, until, sights: [] };
    this.#memberships.push(membership);
    return membership;
  }

  /** Takes down what a client got in its stays, by the channel that the content names. */
  receive(
    client: string,
    stays: ReadonlyMap<string, OpenStay>,
    content: unknown,
    position?: string,
  ): void {
    if (!isContent(content) || content.x.length !== content.l) {
      this.troubles.push(`${client} got ${JSON.stringify(content)?.slice(0, 200)}`);
      return;
    }
    const stay = stays.get(content.c);
    if (stay === undefined) this.troubles.push(`${client} got a message of ${content.c}`);
    else stay.receipts.push({ publisher: content.p, number: content.n, at: this.now(), position });
  }

  /** From that moment until now a worker may have lagged. */
  lagged(from: Moment): void {
    this.#lags.push([from, this.now()]);
  }

  /** At this moment workers lose the node, for longer than the lease. */
  cut(): void {
    this.#cuts.push(this.now());
  }

  /** From that moment until now the server has gone that had the histories, and they with it. */
  renewed(from: Moment): void {
    this.#renewals.push([from, this.now()]);
  }

  /** Between those moments servers of NATS did not hear one another. */
  parted(from: Moment, until: Moment): void {
    this.#partings.push([from, until]);
  }

  /** The run has its turn. */
  beat(): void {
    this.#beats.push(this.now());
  }

  /** Takes every end that there was for one of that kind. */
  takeEndsFor(ending: Ending): void {
    for (const stay of this.#stays) if (stay.ending !== undefined) stay.ending = ending;
  }

  history(): History {
    return {
      publications: this.#publications,
      stays: this.#stays,
      memberships: this.#memberships,
      lags: this.#lags,
      cuts: this.#cuts,
      renewals: this.#renewals,
      partings: this.#partings,
      beats: this.#beats,
      isKept: this.isKept,
      reachMs: this.reachMs,
      end: this.now(),
    };
  }
}

/** The JSON of a publication, with so many characters of padding. */
export function contentOf({ publisher, channel, number }: Publication, padding: number): Content {
  return { p: publisher, c: channel, n: number, x: "x".repeat(padding), l: padding };
}

function isContent(value: unknown): value is Content {
  if (typeof value !== "object" || value === null) return false;
  const { p, c, n, x, l } = value as Partial<Record<keyof Content, unknown>>;
  return (
    [p, c, x].every((each) => typeof each === "string") &&
    [n, l].every((each) => typeof each === "number")
  );
}
