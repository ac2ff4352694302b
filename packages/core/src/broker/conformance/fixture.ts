import type { AppConfig } from "../../hub/namespace.ts";
import type { RateLimiterOptions } from "../../limits/rate-limiter.ts";
import type { Broker, BrokerHandler, RateName } from "../broker.ts";
import type { NodeObserver } from "../observer.ts";

/** What a node is to hold for its workers; the options of `Node` but for its clock. */
export interface NodeSettings {
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly rates: Readonly<Record<RateName, Omit<RateLimiterOptions, "clock">>>;
  readonly idempotencyWindowMs: number;
  readonly historyBytes?: number;
  readonly observer?: NodeObserver;
}

/** A node that a test lets workers join; one for each test. */
export interface BrokerFixture {
  /** A worker joins; the promise settles when the node knows it. */
  join(handler: BrokerHandler): Promise<Broker>;
  /** The worker ends, as by kill -9; the promise settles when the node knows it. */
  leave(broker: Broker): Promise<void>;
  /** Lets everything arrive that is under way; no time passes. */
  settle(): Promise<void>;
  /** Moves the clock of the node and of its workers on, then settles. */
  advance(ms: number): Promise<void>;
  /** What the node still holds, in entries; 0 when every worker has left. */
  held(): number;
  /** Links between workers and node, where there are any. */
  readonly links?: BrokerLinks;
}

/** Links that a test can cut. */
export interface BrokerLinks {
  /** Nothing passes any more in either direction; both ends notice at once. */
  cut(broker: Broker): Promise<void>;
  /** The worker connects anew; the promise settles when what waited has arrived. */
  mend(broker: Broker): Promise<void>;
}

export type SetUpBroker = (settings: NodeSettings) => Promise<BrokerFixture>;
