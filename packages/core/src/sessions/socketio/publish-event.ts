import { StarlingError } from "@starling/protocol/errors.ts";
import { nameFault, RESERVED_EVENTS } from "../../hub/names.ts";
import type { Publication } from "../../hub/publication.ts";
import { JsonSyntaxError } from "../../json/json-scanner.ts";
import {
  type JsonMember,
  lastMember,
  parseSpan,
  readElements,
  readObject,
} from "../../json/raw-json.ts";
import type { ClientEvent } from "./application.ts";

/**
 * The publication of a client's `publish` event, whose one argument is
 * `{channel, event?, data}`; its data stays the text that the client wrote.
 *
 * @throws StarlingError `invalid_request` or `reserved_event`
 */
export function readPublish(event: ClientEvent, app: string, publisher: string): Publication {
  const text = argumentText(event.text);
  const members = membersOf(text);
  const channel = name(text, members, "channel", undefined);
  const eventName = name(text, members, "event", "message");
  if (RESERVED_EVENTS.has(eventName)) throw new StarlingError("reserved_event");
  const content = lastMember(members, "data");
  if (content === undefined) throw new StarlingError("invalid_request", "data: is missing");
  const { start, end } = content.value;
  const { attachments } = event;
  const data = text.slice(start, end);
  return { app, channel, event: eventName, data, attachments, publisher };
}

function argumentText(text: string): string {
  const span = unlessMalformed(() => readElements(text, 0, 2))?.elements[1];
  return span === undefined ? "null" : text.slice(span.start, span.end);
}

function membersOf(text: string): readonly JsonMember[] {
  const members = unlessMalformed(() => readObject(text));
  if (members === undefined) {
    throw new StarlingError("invalid_request", "the argument must be an object");
  }
  return members;
}

/** The decoder has parsed the text already, so what is left to find here is too deep a nesting. */
function unlessMalformed<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new StarlingError("invalid_request", error.message, { cause: error });
  }
}

function name(
  text: string,
  members: readonly JsonMember[],
  key: string,
  fallback: string | undefined,
): string {
  const span = lastMember(members, key)?.value;
  const value = span === undefined ? fallback : parseSpan(text, span);
  const fault = nameFault(value);
  if (typeof value !== "string" || fault !== undefined) {
    throw new StarlingError("invalid_request", `${key}: ${fault ?? "must be a string"}`);
  }
  return value;
}
