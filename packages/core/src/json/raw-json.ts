import { JsonScanner } from "./json-scanner.ts";

/** Where a value stands in a text: from `start` up to, not including, `end`. */
export interface JsonSpan {
  readonly start: number;
  readonly end: number;
}

/** One member of an object, in the text that it was read from. */
export interface JsonMember {
  /** The name, with its escapes resolved. */
  readonly name: string;
  readonly value: JsonSpan;
  /** The member with the whitespace around it: all between two of `{`, `,` and `}`. */
  readonly piece: JsonSpan;
}

/**
 * Checks that `text` is one JSON value.
 *
 * @throws JsonSyntaxError with the place of the fault.
 */
export function validateJson(text: string): void {
  const scanner = new JsonScanner(text);
  scanner.skipWhitespace();
  scanner.skipValue(0);
  scanner.expectEnd();
}

/**
 * Checks that `text` is one JSON value and lists the members of the object that it is, in order
 * and with repeated names; undefined when it is a value of another kind.
 *
 * @throws JsonSyntaxError with the place of the fault.
 */
export function readObject(text: string): readonly JsonMember[] | undefined {
  const scanner = new JsonScanner(text);
  scanner.skipWhitespace();
  if (text[scanner.position] !== "{") {
    scanner.skipValue(0);
    scanner.expectEnd();
    return undefined;
  }
  const members = readMembers(scanner);
  scanner.expectEnd();
  return members;
}

/** The value at a place in a text that was checked before. */
export function parseSpan(text: string, { start, end }: JsonSpan): unknown {
  if (text[start] === '"') return stringValue(text, start, end);
  const value: unknown = JSON.parse(text.slice(start, end));
  return value;
}

/** A list that was cut off at the limit given. */
export interface JsonElements {
  readonly elements: readonly JsonSpan[];
  /** Whether the array holds more than the limit. */
  readonly truncated: boolean;
}

/**
 * The first `limit` elements of the array at `start`; undefined when no array stands there.
 *
 * @throws JsonSyntaxError with the place of the fault, if there is one before the limit.
 */
export function readElements(text: string, start: number, limit: number): JsonElements | undefined {
  if (text[start] !== "[") return undefined;
  const scanner = new JsonScanner(text, start + 1);
  const elements: JsonSpan[] = [];
  scanner.skipWhitespace();
  if (text[scanner.position] === "]") return { elements, truncated: false };
  for (;;) {
    if (elements.length === limit) return { elements, truncated: true };
    scanner.skipWhitespace();
    const from = scanner.position;
    scanner.skipValue(1);
    elements.push({ start: from, end: scanner.position });
    scanner.skipWhitespace();
    const separator = text[scanner.position];
    if (separator === "]") return { elements, truncated: false };
    if (separator !== ",") scanner.fail('"," or "]"');
    scanner.position++;
  }
}

/** The last member of that name, which is the one that `JSON.parse` keeps. */
export function lastMember(members: readonly JsonMember[], name: string): JsonMember | undefined {
  return members.findLast((member) => member.name === name);
}

/**
 * The text of an object without its members of one name; everything else, spelling and whitespace
 * included, stays as it was. `members` is what `readObject` gave for `text`.
 */
export function withoutMember(text: string, members: readonly JsonMember[], name: string): string {
  let kept = "";
  let separator = "";
  for (const member of members) {
    if (member.name === name) continue;
    kept += separator + text.slice(member.piece.start, member.piece.end);
    separator = ",";
  }
  return `{${kept}}`;
}

function readMembers(scanner: JsonScanner): JsonMember[] {
  const { text } = scanner;
  const members: JsonMember[] = [];
  let pieceStart = ++scanner.position;
  scanner.skipWhitespace();
  if (text[scanner.position] === "}") {
    scanner.position++;
    return members;
  }
  for (;;) {
    scanner.skipWhitespace();
    const nameStart = scanner.position;
    scanner.skipNameString();
    const name = stringValue(text, nameStart, scanner.position);
    scanner.skipColon();
    const start = scanner.position;
    scanner.skipValue(1);
    const end = scanner.position;
    scanner.skipWhitespace();
    const pieceEnd = scanner.position;
    members.push({ name, value: { start, end }, piece: { start: pieceStart, end: pieceEnd } });
    scanner.position++;
    const separator = text[pieceEnd];
    if (separator === "}") return members;
    if (separator !== ",") {
      scanner.position = pieceEnd;
      scanner.fail('"," or "}"');
    }
    pieceStart = scanner.position;
  }
}

function stringValue(text: string, start: number, end: number): string {
  const plain = text.slice(start + 1, end - 1);
  if (!plain.includes("\\")) return plain;
  const value: unknown = JSON.parse(text.slice(start, end));
  return String(value);
}
