import type { Answer } from "../answer.ts";
import type { Ban } from "../bans/ban.ts";
import type { DisconnectTarget } from "../hub/api.ts";
import type { DeliveryKey, Published } from "./broker.ts";

/** What became of connections that were to end. */
export interface Disconnection {
  readonly connections: number;
  /** Other nodes that are there and did not answer, by their `MESH_ID`. */
  readonly unanswered: readonly string[];
  /** Whether everybody answered who could have such connections. */
  readonly isComplete: boolean;
}

/** What the other nodes of a mesh do for a node, so that what it is told holds on all of them. */
export interface Elsewhere {
  /** Settles within bounded time, and is never rejected. */
  disconnect(app: string, target: DisconnectTarget): Promise<Disconnection>;
  /** A ban is new here; nodes that do not hear of it now do so when they can. */
  said(ban: Ban): void;
  /**
   * Takes one from the rate of a user on the mesh: 0 when allowed, else the milliseconds to wait. Where the node that
   * counts it does not answer soon, it is allowed: the rate of the own node has allowed it already.
   */
  take(key: string): Answer<number>;
  /**
   * Whether a user of whom this node has so many connections, one that is about to come included, may have that one,
   * with those on other nodes. Where the node that decides does not answer soon, he may.
   */
  room(key: string, taken: number, limit: number): Answer<boolean>;
  /** So many connections does this node have of a user. */
  holds(key: string, taken: number): void;
  /**
   * Reserves keys that the own node has reserved, all or none; what is known of them elsewhere. Where NATS is away,
   * nothing is.
   *
   * @throws StarlingError `idempotency_conflict`, or `broker_unavailable` where a node that is there does not answer
   */
  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]>;
  /** The delivery of a key was made. */
  answered(key: DeliveryKey, published: Published): void;
  /** Keys that will not be used. */
  release(keys: readonly DeliveryKey[]): void;
}

/** Nobody has such connections. */
export const nobodyDisconnected: Disconnection = {
  connections: 0,
  unanswered: [],
  isComplete: true,
};

export function bothDisconnected(a: Disconnection, b: Disconnection): Disconnection {
  return {
    connections: a.connections + b.connections,
    unanswered: [...a.unanswered, ...b.unanswered],
    isComplete: a.isComplete && b.isComplete,
  };
}
