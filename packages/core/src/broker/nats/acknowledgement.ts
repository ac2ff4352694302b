import { bytesOf, numberIn, startsAt } from "./ascii.ts";

declare const TextDecoder: new (label: "utf-8") => { decode(bytes: Uint8Array): string };
const decoder = new TextDecoder("utf-8");

/** What a stream answers to whoever publishes in it. */
export interface Acknowledgement {
  /** That of the stream, where its servers have one. */
  readonly domain?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code?: number; readonly description?: string };
}

const BEGIN = bytesOf('{"stream":"');
const SEQ = bytesOf('"seq":');
const [QUOTE, BACKSLASH, COMMA, SPACE, END, ZERO] = [0x22, 0x5c, 0x2c, 0x20, 0x7d, 0x30];

/** Reads the JSON text of a stream's answer. */
export function acknowledgement(bytes: Uint8Array): Acknowledgement {
  const seq = onlySequence(bytes);
  if (seq !== undefined) return { seq };
  return JSON.parse(decoder.decode(bytes)) as Acknowledgement;
}

/** The number in `{"stream":"S", "seq":1}`; undefined where the text says anything else, or more. */
function onlySequence(bytes: Uint8Array): number | undefined {
  if (!startsAt(bytes, 0, BEGIN)) return undefined;
  let at = BEGIN.length;
  for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[++at]) {
    // Neither a name with an escape nor a text that was cut off.
    if (byte === undefined || byte === BACKSLASH || byte < SPACE || byte > 0x7e) return undefined;
  }
  if (bytes[++at] !== COMMA) return undefined;
  if (bytes[++at] === SPACE) at++;
  if (!startsAt(bytes, at, SEQ)) return undefined;
  at += SEQ.length;
  const end = bytes.length - 1;
  return bytes[at] === ZERO || bytes[end] !== END ? undefined : numberIn(bytes, at, end);
}
