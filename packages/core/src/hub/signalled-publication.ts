import { decodeEventPayload } from "@starling/protocol/signalling/payload.ts";
import { JsonSyntaxError } from "../json/json-scanner.ts";
import { validateJson } from "../json/raw-json.ts";
import { nameFault, RESERVED_EVENTS } from "./names.ts";
import type { Position } from "./position.ts";
import type { Publication } from "./publication.ts";

/** What stands for the one binary part in the data of a publication that is nothing else. */
export const LONE_PLACEHOLDER = '{"_placeholder":true,"num":0}';

interface Reading {
  readonly event: string;
  readonly data: string;
  readonly attachments?: readonly Uint8Array[];
}

/**
 * The `data` of a signalling client. Its payload is looked into only when somebody in the channel
 * speaks a protocol of events and JSON: `{event, data: JSON text}` is such an event, anything else
 * is an event `message` with the payload as its binary data.
 */
export class SignalledPublication implements Publication {
  id: number | undefined;
  sender: string | undefined;
  position: Position | undefined;
  cursor: string | undefined;
  mesh: string | undefined;
  readonly app: string;
  readonly channel: string;
  readonly publisher: string;
  readonly payload: Uint8Array;
  #reading: Reading | undefined;

  constructor(app: string, channel: string, publisher: string, payload: Uint8Array, id?: number) {
    this.id = id;
    this.app = app;
    this.channel = channel;
    this.publisher = publisher;
    this.payload = payload;
  }

  get event(): string {
    return this.#read().event;
  }

  get data(): string {
    return this.#read().data;
  }

  get attachments(): readonly Uint8Array[] {
    return this.#read().attachments ?? [];
  }

  #read(): Reading {
    this.#reading ??= read(this.payload);
    return this.#reading;
  }
}

function read(payload: Uint8Array): Reading {
  const content = decodeEventPayload(payload);
  if (content !== undefined && isEventName(content.event) && isJson(content.data)) return content;
  return { event: "message", data: LONE_PLACEHOLDER, attachments: [payload] };
}

/** A name that other protocols cannot carry, or that would end their clients, makes no event. */
function isEventName(name: string): boolean {
  return nameFault(name) === undefined && !RESERVED_EVENTS.has(name);
}

function isJson(text: string): boolean {
  try {
    validateJson(text);
    return true;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return false;
    throw error;
  }
}
