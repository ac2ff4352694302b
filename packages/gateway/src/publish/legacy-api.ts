import { RESERVED_EVENTS } from "@starling/core/hub/names.ts";
import { lastMember, parseSpan, withoutMember } from "@starling/core/json/raw-json.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Delivery } from "./deliveries.ts";
import { readJsonObject } from "./envelope.ts";

/** The member that names the user, in each of the two generations. */
export type TargetMember = "uuid" | "target_id";

const APP = "default";

/** As for channels of the native API; a configured pattern may allow any length. */
const MAX_ID_LENGTH = 255;

/**
 * A publication of an earlier generation: the id is channel and event name in one, and the rest of
 * the body is the payload, byte for byte.
 *
 * @throws StarlingError `malformed_json`, `reserved_event`, or `invalid_request` when the id does
 *   not fit the pattern.
 */
export function readLegacyPublication(
  text: string,
  member: TargetMember,
  idPattern: RegExp,
): Delivery {
  const members = readJsonObject(text);
  if (members === undefined) {
    throw new StarlingError("invalid_request", "the body is not a JSON object");
  }
  const target = lastMember(members, member);
  const id = target === undefined ? undefined : parseSpan(text, target.value);
  if (typeof id !== "string" || id.length > MAX_ID_LENGTH || !idPattern.test(id)) {
    throw new StarlingError(
      "invalid_request",
      `${member}: does not match EVENT_ID_REGEX_VALIDATION_PATTERN`,
    );
  }
  if (RESERVED_EVENTS.has(id)) throw new StarlingError("reserved_event");
  return { app: APP, channels: [id], event: id, data: withoutMember(text, members, member) };
}
