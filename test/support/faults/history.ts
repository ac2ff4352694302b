/** How often a run notes that it had its turn, in milliseconds. */
export const BEAT_MS = 10;

/** A moment of a run in milliseconds; no two events share one. */
export type Moment = number;

/** What a publisher did with one message. */
export interface Publication {
  readonly publisher: string;
  readonly channel: string;
  /** From 1; grows by one with each message of this publisher in this channel. */
  readonly number: number;
  /** Before the first attempt. */
  readonly sentAt: Moment;
  /** When the publisher was told ok; undefined where it never was. */
  readonly answeredAt?: Moment | undefined;
  /** Whether it has an idempotency key, and is sent again until its publisher is told ok. */
  readonly isKeyed?: boolean | undefined;
  /** Where it stands in the history of the channel, `EPOCH.OFFSET`, where the answer said so. */
  readonly position?: string | undefined;
  /** Which node it was published at, by its place among them; undefined where at none. */
  readonly node?: number | undefined;
  /** When its publisher was told ok or refused, the last time. */
  readonly endedAt?: Moment | undefined;
}

/** What a client got. */
export interface Receipt {
  readonly publisher: string;
  readonly number: number;
  readonly at: Moment;
  /** Where it stands in the history of the channel, where the message said so. */
  readonly position?: string | undefined;
}

/**
 * How a stay ended that a client did not end itself: the connection broke (`broken`), the server
 * closed it properly (`orderly`), or closed it to say that messages were missed (`missed`).
 */
export type Ending = "broken" | "orderly" | "missed";

/** A client's time in a channel, from its subscription to the end of its connection. */
export interface Stay {
  readonly client: string;
  readonly channel: string;
  /** Which node it is connected to, by its place among them. */
  readonly node?: number | undefined;
  /** Before anything was asked for. */
  readonly askedAt?: Moment | undefined;
  /** When the subscription was acknowledged; undefined where the connection ended before. */
  readonly from?: Moment | undefined;
  /** When the connection ended; undefined where it had not by the end of the run. */
  readonly until?: Moment | undefined;
  readonly ending?: Ending | undefined;
  /** Whether the client learned of the end by a poll, for which it has five seconds. */
  readonly isFetched?: boolean | undefined;
  /** Whether the client asked to go on where its stay before had ended. */
  readonly isReturn?: boolean | undefined;
  /** What a client that returned was told: whether everything that it had missed follows. */
  readonly recovered?: boolean | undefined;
  /** In the order of arrival. */
  readonly receipts: readonly Receipt[];
}

/** What a member was told of another one. */
export interface Sight {
  /** `listed`: in a snapshot. */
  readonly what: "listed" | "online" | "state" | "offline";
  readonly member: string;
  readonly at: Moment;
  /** The number in the state that it was told of, where there was one. */
  readonly state?: number | undefined;
}

/** A member's time in a channel, and what it saw of the others there. */
export interface Membership {
  readonly member: string;
  readonly channel: string;
  /** When the join was asked for, from which on others may see it; by default when it was acknowledged. */
  readonly askedAt?: Moment | undefined;
  /** When the join was acknowledged; undefined where the connection ended before. */
  readonly from?: Moment | undefined;
  readonly until?: Moment | undefined;
  /** The number in the state that it said last; undefined where it said none. */
  readonly state?: number | undefined;
  readonly sights: readonly Sight[];
}

/** Everything that the clients of a run did and saw. */
export interface History {
  readonly publications: readonly Publication[];
  readonly stays: readonly Stay[];
  readonly memberships: readonly Membership[];
  /**
   * When a worker may have lagged, from and up to. Nobody is held up for such a worker, so what was
   * answered then may be overtaken by what is published at that very worker.
   */
  readonly lags: readonly (readonly [Moment, Moment])[];
  /**
   * When workers lost the node for longer than the lease. What they were handing over then, their own
   * clients have and the node may not: sent again under its key, it reaches those clients twice.
   */
  readonly cuts: readonly Moment[];
  /**
   * When histories were lost with the server that had them, from and up to. What was on its way then may have
   * been kept before as well as after, when its publisher or its node sent it again.
   */
  readonly renewals?: readonly (readonly [Moment, Moment])[];
  /**
   * When servers of NATS did not hear one another, from and up to. What back ends published then straight over NATS and
   * without history has no numbers: it may arrive behind what they published afterwards.
   */
  readonly partings?: readonly (readonly [Moment, Moment])[];
  /**
   * When the run had its turn, every `BEAT_MS` where it has the machine to itself; none where it cannot have been
   * held up.
   */
  readonly beats?: readonly Moment[] | undefined;
  /**
   * Milliseconds until a new subscription is known where other nodes publish, for channels without history of nodes
   * that are far from one another; default 0.
   */
  readonly reachMs?: number | undefined;
  /** Whether the channels keep history, so that all clients see one order. */
  readonly isKept?: boolean | undefined;
  /** The last moment. */
  readonly end: Moment;
}
