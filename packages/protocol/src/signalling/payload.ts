import { Decoder, Encoder } from "@msgpack/msgpack";
import { defaultSignalLimits, type SignalLimits } from "./limits.ts";
import { type Fault, Reader } from "./reader.ts";

/** An event in the payload of `data`. */
export interface EventPayload {
  readonly event: string;
  /** JSON text as its sender wrote it; nobody has checked that it is JSON. */
  readonly data: string;
}

/** What a peer says of itself. */
export interface State {
  readonly id: string;
  readonly [key: string]: unknown;
}

export type StateResult =
  | { readonly ok: true; readonly state: State }
  | ({ readonly ok: false } & Fault);

const decoder = new Decoder();
const encoder = new Encoder();

/**
 * Whether `pl` is exactly one well-formed map whose keys are strings, and none `__proto__`, all the
 * way down, nested no deeper than the limits allow. It is looked over, not decoded.
 */
export function isMapPayload(pl: Uint8Array, limits = defaultSignalLimits): boolean {
  const reader = new Reader(pl);
  return reader.next() && reader.kind === "map" && reader.skip(limits.depth) && reader.atEnd;
}

/**
 * The event in a payload; undefined when it holds none and is opaque. A `data` of nil, which the
 * published client sends for undefined, is the JSON text `null`. Other keys are passed over.
 */
export function decodeEventPayload(
  pl: Uint8Array,
  limits = defaultSignalLimits,
): EventPayload | undefined {
  const payload = decodeMap(pl, limits);
  if (payload === undefined) return undefined;
  const { event, data = undefined } = payload;
  if (typeof event !== "string" || !event.isWellFormed()) return undefined;
  if (data === null) return { event, data: "null" };
  return typeof data === "string" && data.isWellFormed() ? { event, data } : undefined;
}

/** The payload of an event, with `data` as JSON text; a lone surrogate becomes U+FFFD. */
export function encodeEventPayload(event: string, data: string): Uint8Array {
  return encoder.encode({ event: event.toWellFormed(), data: data.toWellFormed() });
}

/**
 * Decodes a state. Never throws. An `id` that is a whole number, which some pages use, becomes its
 * decimal text.
 */
export function decodeState(pl: Uint8Array, limits = defaultSignalLimits): StateResult {
  if (pl.length > limits.stateBytes) return tooLarge(limits);
  const state = decodeMap(pl, limits);
  if (state === undefined) return invalid("the state is not one well-formed map");
  const { id } = state;
  const name = Number.isSafeInteger(id) ? String(id) : id;
  if (typeof name !== "string" || name === "" || name.length > limits.nameLength) {
    return invalid(`the state's id is not a str of 1 to ${limits.nameLength} characters`);
  }
  return { ok: true, state: { ...state, id: name } };
}

function decodeMap(
  pl: Uint8Array,
  limits: SignalLimits,
): Readonly<Record<string, unknown>> | undefined {
  if (!isMapPayload(pl, limits)) return undefined;
  try {
    const value = decoder.decode(pl);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function tooLarge({ stateBytes }: SignalLimits): StateResult {
  const message = `the state has more than ${stateBytes} bytes`;
  return { ok: false, error: "state_too_large", message };
}

function invalid(message: string): StateResult {
  return { ok: false, error: "invalid_state", message };
}
