import { JsonSyntaxError } from "@starling/core/json/json-scanner.ts";
import {
  type JsonMember,
  type JsonSpan,
  parseSpan,
  readElements,
  readObject,
} from "@starling/core/json/raw-json.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { z } from "zod";

/** JSON text that passes through as it is. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Faults that one message names; a client mends them one request at a time anyway. */
const MAX_FAULTS = 5;

/**
 * The members of a JSON object, or undefined for another kind of value.
 *
 * @throws StarlingError `malformed_json` with the place of the fault.
 */
export function readJsonObject(text: string): readonly JsonMember[] | undefined {
  try {
    return readObject(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new StarlingError("malformed_json", `the body is not valid JSON: ${error.message}`);
  }
}

/**
 * The fields of a request: `data` stays text, `publications` is a list of such envelopes, the rest
 * become plain values.
 *
 * @throws StarlingError `malformed_json`, `invalid_request` when the text is not an object,
 *   `batch_too_large` when `publications` has more than `maxEntries`.
 */
export function readEnvelope(text: string, maxEntries: number, isEntry = false): object {
  const members = readJsonObject(text);
  if (members === undefined) {
    throw new StarlingError("invalid_request", "the body is not a JSON object");
  }
  const envelope = Object.create(null) as Record<string, unknown>;
  for (const { name, value } of members) {
    if (name === "data") envelope[name] = new RawJson(text.slice(value.start, value.end));
    // Entries have no entries: reading them at every level would cost the square of the length.
    else if (name === "publications" && !isEntry)
      envelope[name] = readList(text, value, maxEntries);
    else envelope[name] = parseSpan(text, value);
  }
  return envelope;
}

/** A value of another kind is given on as it is, for the schema to refuse. */
function readList(text: string, value: JsonSpan, maxEntries: number): unknown {
  const list = readElements(text, value.start, maxEntries);
  if (list === undefined) return parseSpan(text, value);
  if (list.truncated) throw tooManyEntries(maxEntries);
  return list.elements.map((span) =>
    text[span.start] === "{"
      ? readEnvelope(text.slice(span.start, span.end), maxEntries, true)
      : parseSpan(text, span),
  );
}

export function tooManyEntries(maxEntries: number): StarlingError {
  return new StarlingError("batch_too_large", `more than ${maxEntries} entries in one request`);
}

/**
 * Checks a request against its schema.
 *
 * @throws StarlingError `invalid_request` that names the path of each fault.
 */
export function parseRequest<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap(describeIssue);
  const shown = faults.slice(0, MAX_FAULTS).join("; ");
  const more = faults.length > MAX_FAULTS ? `; and ${faults.length - MAX_FAULTS} more` : "";
  throw new StarlingError("invalid_request", shown + more);
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `${formatPath([...issue.path, key])}: unknown field`);
  }
  const path = formatPath(issue.path);
  return [path === "" ? issue.message : `${path}: ${issue.message}`];
}

/** `publications[3].channel` */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += text === "" ? String(key).slice(0, 100) : `.${String(key).slice(0, 100)}`;
  }
  return text;
}
