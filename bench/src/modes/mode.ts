import type { LoadClient } from "../load/client.ts";
import type { Peer, RunningPeer, Server } from "../peers/peer.ts";

/** A value that a mode measures. */
export interface Metric {
  readonly key: string;
  readonly title: string;
  /** Decimal places in the table. */
  readonly digits: number;
}

/** Values of one series in one round, by the metric's key. */
export interface Sample {
  /** Whose values these are: the peer's name, or the peer's and what was done to it. */
  readonly series: string;
  /** A metric that says nothing of this series is left out. */
  readonly values: Readonly<Record<string, number>>;
}

/** A ratio of two series (or, without `over`, one series' value), with the target if there is one. */
export interface Comparison {
  readonly metric: string;
  readonly series: string;
  readonly over?: string;
  readonly atMost?: number;
}

/** A freshly started server and a freshly started load process. */
export interface Trial<S extends Server = Peer> {
  readonly peer: S;
  readonly server: RunningPeer;
  readonly load: LoadClient;
}

/** One kind of measurement. */
export interface Mode<S extends Server = Peer> extends ModeFacts {
  /** Throws when something was lost or refused: such a round has no values. */
  measure(trial: Trial<S>): Promise<readonly Sample[]>;
  /** What is measured once a round without a server; `directory` is empty. */
  measureAlone?(directory: string): Promise<readonly Sample[]>;
}

/** What the report needs to know of a mode. */
export interface ModeFacts {
  readonly name: string;
  /** As the report shows them. */
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly metrics: readonly Metric[];
  readonly comparisons: readonly Comparison[];
}
