import type { ErrorName } from "@starling/protocol/errors.ts";

/**
 * What one turn of the event loop may add to a buffer before somebody looks at it. Above its own
 * limit a runtime drops what was published without a word, so that limit must lie this far above
 * the one at which a connection is cut.
 */
export const TURN_BYTES = 16_777_216;

const ending: ReadonlySet<ErrorName> = new Set([
  "signal_too_large",
  "payload_too_large",
  "state_too_large",
  "too_many_channels",
  "app_channels_full",
]);

/** Whether a client that exceeded a limit is told of it by this error, and then closed. */
export function endsConnection(error: ErrorName): boolean {
  return ending.has(error);
}
