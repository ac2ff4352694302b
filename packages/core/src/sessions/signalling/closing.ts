import {
  type CloseDefinition,
  type CloseName,
  closeCatalogue,
  shouldReconnect,
} from "@starling/protocol/close-codes.ts";
import type { SignalVersion } from "@starling/protocol/signalling/messages.ts";

/** Of IANA's registry for RFC 6455 section 7.4.1: try again later. */
const TRY_AGAIN_LATER = 1013;

/**
 * What a connection is closed with.
 *
 * The published client of version 1 takes any code from 4000 for the end that its page wanted, and
 * connects again only after one from 1001 to 3999 or after a broken line.
 */
export function closingOf(name: CloseName, version: SignalVersion): CloseDefinition {
  const { code, reason } = closeCatalogue[name];
  return version === 1 && shouldReconnect(code)
    ? { code: TRY_AGAIN_LATER, reason }
    : { code, reason };
}
