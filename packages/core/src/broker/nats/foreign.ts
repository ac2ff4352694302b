import { nameFault, RESERVED_EVENTS } from "../../hub/names.ts";
import type { Publication } from "../../hub/publication.ts";
import { JsonSyntaxError } from "../../json/json-scanner.ts";
import { validateJson } from "../../json/raw-json.ts";
import { PublicationIds } from "../publication-ids.ts";
import type { StoredContent } from "./stored-message.ts";

/** What the WHATWG Encoding Standard gives every runtime. */
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: boolean },
) => { decode(bytes: Uint8Array): string };

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The publication that a back end has published straight over NATS: JSON text, with its event and
 * publisher in headers.
 *
 * @throws RangeError which says what is wrong with it
 */
export function foreignPublication(
  message: StoredContent,
  app: string,
  channel: string,
): Publication {
  const event = message.headers?.get("Event") || "message";
  const fault = nameFault(event);
  if (fault !== undefined) throw new RangeError(`the event ${fault}`);
  if (RESERVED_EVENTS.has(event)) throw new RangeError(`the event ${event} is reserved`);
  const publisher = message.headers?.get("Publisher") || undefined;
  const messageId = message.headers?.get("Nats-Msg-Id") || undefined;
  const data = jsonOf(message.data);
  return {
    ...(messageId === undefined ? {} : { id: PublicationIds.named(messageId) }),
    ...{ app, channel, event, data },
    ...(publisher === undefined ? {} : { publisher }),
  };
}

function jsonOf(bytes: Uint8Array): string {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new RangeError("the body is not UTF-8");
  }
  try {
    validateJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new RangeError("the body is not JSON");
    throw error;
  }
  return text;
}
