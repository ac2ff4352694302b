import {
  JetStreamApiError,
  type JetStreamManagerOptions,
  type StreamInfo,
} from "@nats-io/jetstream";

/** Milliseconds that a server has for an answer. */
export const ANSWER_MS = 3_000;

/** How JetStream is spoken to; `domain` is the one that is configured, where there is one. */
export function jetStreamOptions(domain: string | undefined): JetStreamManagerOptions {
  const options = { checkAPI: false, timeout: ANSWER_MS };
  return domain === undefined ? options : { ...options, domain };
}

/** Whether JetStream has refused something for that reason, see `JetStreamApiCodes`. */
export function isRefusedFor(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}

/** A server that stands alone has no cluster to speak of. */
export function knowsLeader({ cluster }: Pick<StreamInfo, "cluster">): boolean {
  return cluster === undefined || Boolean(cluster.leader);
}
