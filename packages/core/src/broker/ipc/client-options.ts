import type { AppConfig } from "../../hub/namespace.ts";
import type { RateLimiterOptions } from "../../limits/rate-limiter.ts";
import type { AfterTurn, Clock, Log, OpenStream, Random } from "../../ports.ts";
import type { BrokerHandler, RateName, WorkerId } from "../broker.ts";

export interface IpcBrokerOptions {
  readonly open: OpenStream;
  /** As the supervisor has named this worker. */
  readonly worker: WorkerId;
  readonly handler: BrokerHandler;
  readonly clock: Clock;
  readonly random: Random;
  readonly afterTurn: AfterTurn;
  readonly log: Log;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** What holds while the link is down. */
  readonly rates: Readonly<Record<RateName, Omit<RateLimiterOptions, "clock">>>;
  /** Called when the link to the node comes up, the first time too, and when it goes down. */
  readonly linkChanged?: (isUp: boolean) => void;
  /** Milliseconds after which a node of which nothing is heard is given up; default 10,000. */
  readonly leaseMs?: number;
  /** Bytes that may wait for the node; default 16 MiB. */
  readonly maxQueuedBytes?: number;
}
