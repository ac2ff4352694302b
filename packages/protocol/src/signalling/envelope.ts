import type { SignalLimits } from "./limits.ts";
import type { SignalVersion, SnapshotMember } from "./messages.ts";
import { type Fault, Reader, type Word, wordBytes } from "./reader.ts";

/** The members of a message that have the right type, whatever kind of message it is. */
export interface Envelope {
  /** The first thing that is wrong; the rest holds what could be read all the same. */
  fault?: Fault;
  t?: string;
  op?: string;
  c?: string;
  p?: string;
  pl?: Uint8Array;
  mesh?: string;
  id?: number;
  code?: number;
  msg?: string;
  ts?: number;
  ms?: readonly SnapshotMember[];
  more?: boolean;
  tk?: string;
  ep?: string;
  off?: number;
  rec?: boolean;
  last?: number;
  /** Only in the members of a snapshot. */
  since?: number;
}

/** The value that a key stands before; its head has been met. */
interface Value {
  readonly reader: Reader;
  readonly limits: SignalLimits;
  /** Levels that the value may nest. */
  readonly depth: number;
}

/** A key of the protocol, and how its value is taken. */
interface Key extends Word {
  /** Tells repeated keys apart. */
  readonly bit: number;
  /** Puts the value into the envelope, or says what is wrong with it. */
  take(envelope: Envelope, value: Value): Fault | undefined;
}

const UINT32_MAX = 0xffff_ffff;

/** Everything that `t` and `op` may be; anything else is left out of the envelope. */
const vocabulary: readonly Word[] = [
  ...["control", "data", "peer_state", "peer_online", "peer_offline", "channel_join"],
  ...["subscribe", "unsubscribe", "ping", "auth"],
  ...["ack", "error", "snapshot", "pong", "notice"],
].map((text) => ({ text, bytes: wordBytes(text) }));

let nextBit = 1;

function key(text: string, take: Key["take"]): Key {
  const bit = nextBit;
  nextBit *= 2;
  return { text, bytes: wordBytes(text), bit, take };
}

function malformed(message: string): Fault {
  return { error: "malformed_signal", message };
}

function invalid(message: string): Fault {
  return { error: "invalid_signal", message };
}

function wrongType(name: string, wanted: string, { reader, depth }: Value): Fault {
  reader.skip(depth);
  return reader.fault ?? invalid(`${name} must be ${wanted}`);
}

function keyword(name: "t" | "op"): Key {
  return key(name, (envelope, value) => {
    const { reader } = value;
    if (reader.kind !== "str") return wrongType(name, "a str", value);
    const word = reader.word(vocabulary);
    if (word === undefined) reader.skip(0);
    else envelope[name] = word.text;
    return undefined;
  });
}

function text(
  name: "c" | "p" | "mesh" | "ep" | "msg" | "tk",
  limit: "nameLength" | "textLength" | "tokenLength",
): Key {
  return key(name, (envelope, value) => {
    const { reader } = value;
    if (reader.kind !== "str") return wrongType(name, "a str", value);
    const most = value.limits[limit];
    // A code unit takes at most three bytes, so a longer str need not even be looked at.
    const read = reader.size > 3 * most ? undefined : reader.text();
    if (reader.fault !== undefined) return reader.fault;
    if (read === undefined) reader.skip(0);
    else if (read.length <= most) {
      envelope[name] = read;
      return undefined;
    }
    return { error: "field_too_long", message: `${name} has more than ${most} characters` };
  });
}

function unsigned(name: "id" | "code" | "ts" | "off" | "last" | "since", most: number): Key {
  return key(name, (envelope, value) => {
    if (!isUnsigned(value.reader, most)) {
      return wrongType(name, `a whole number from 0 to ${most}`, value);
    }
    // Adding 0 makes 0 of the float -0.
    envelope[name] = value.reader.number + 0;
    return undefined;
  });
}

/** Some writers put whole numbers beyond 32 bits into floats, so floats count as well. */
function isUnsigned({ kind, number }: Reader, most: number): boolean {
  if (kind !== "integer" && kind !== "float") return false;
  return number >= 0 && number <= most && Number.isSafeInteger(number);
}

function boolean(name: "more" | "rec"): Key {
  return key(name, (envelope, value) => {
    if (value.reader.kind !== "boolean") return wrongType(name, "a boolean", value);
    envelope[name] = value.reader.number === 1;
    return undefined;
  });
}

/** Older writers know no `bin` and send bytes as `str`, so that counts as bytes too. */
const payload = key("pl", (envelope, value) => {
  const { reader } = value;
  if (reader.kind !== "bin" && reader.kind !== "str") return wrongType("pl", "a bin", value);
  envelope.pl = reader.bytes();
  return undefined;
});

const snapshotMembers = key("ms", (envelope, value) => {
  const { reader } = value;
  if (reader.kind !== "array") return wrongType("ms", "an array", value);
  const list: SnapshotMember[] = [];
  let fault: Fault | undefined;
  for (let left = reader.size; left > 0; left--) {
    if (!reader.next()) return reader.fault;
    const item = readSnapshotMember(value);
    if ("error" in item) fault ??= item;
    else list.push(item);
  }
  if (fault === undefined) envelope.ms = list;
  return fault;
});

function readSnapshotMember(value: Value): SnapshotMember | Fault {
  const { reader, limits, depth } = value;
  const wanted = "a map with p and since";
  if (reader.kind !== "map") return wrongType("an item of ms", wanted, value);
  const { p, pl, since, fault } = readMap({ reader, limits, depth: depth - 2 }, memberKeys);
  if (fault !== undefined) return fault;
  if (p === undefined || since === undefined) return invalid(`an item of ms must be ${wanted}`);
  return pl === undefined ? { p, since } : { p, pl, since };
}

const peer = text("p", "nameLength");
const version1Keys = [keyword("t"), text("c", "nameLength"), peer, payload, keyword("op")];
const requestKeys = [
  unsigned("id", UINT32_MAX),
  unsigned("ts", Number.MAX_SAFE_INTEGER),
  text("tk", "tokenLength"),
  text("ep", "nameLength"),
  unsigned("off", Number.MAX_SAFE_INTEGER),
  unsigned("last", UINT32_MAX),
];
const answerKeys = [
  text("mesh", "nameLength"),
  unsigned("code", UINT32_MAX),
  text("msg", "textLength"),
  snapshotMembers,
  boolean("more"),
  boolean("rec"),
];
const memberKeys = [peer, payload, unsigned("since", Number.MAX_SAFE_INTEGER)];

const clientKeys: Readonly<Record<SignalVersion, readonly Key[]>> = {
  1: version1Keys,
  2: [...version1Keys, ...requestKeys],
};
const serverKeys = [...version1Keys, ...requestKeys, ...answerKeys];

/** Reads a message of a client, or of a server; members that it may not carry are passed over. */
export function readEnvelope(
  bytes: Uint8Array,
  limits: SignalLimits,
  sender: SignalVersion | "server",
): Envelope {
  if (bytes.length > limits.messageBytes) {
    const message = `the message has more than ${limits.messageBytes} bytes`;
    return { fault: { error: "signal_too_large", message } };
  }
  const reader = new Reader(bytes);
  if (!reader.next() || reader.kind !== "map") {
    return { fault: reader.fault ?? malformed("the message is not a map") };
  }
  const keys = sender === "server" ? serverKeys : clientKeys[sender];
  const envelope = readMap({ reader, limits, depth: limits.depth - 1 }, keys);
  if (!reader.atEnd) envelope.fault ??= malformed("bytes follow after the message");
  return envelope;
}

/** Reads the map just met; its values may nest `depth` levels. */
function readMap(value: Value, keys: readonly Key[]): Envelope {
  const { reader, depth } = value;
  const envelope: Envelope = {};
  let seen = 0;
  for (let left = reader.size; left > 0; left--) {
    if (!reader.next() || !reader.isKey()) break;
    const found = reader.word(keys);
    if (found === undefined) reader.skip(0);
    if (!reader.next()) break;
    if (found === undefined || reader.kind === "nil") {
      reader.skip(depth);
    } else if ((seen & found.bit) !== 0) {
      envelope.fault ??= invalid(`${found.text} appears twice`);
      reader.skip(depth);
    } else {
      seen |= found.bit;
      const fault = found.take(envelope, value);
      if (fault !== undefined) envelope.fault ??= fault;
    }
  }
  // Nothing that was read before a fault of form is to be relied on, so that fault goes first.
  if (reader.fault !== undefined) envelope.fault = reader.fault;
  return envelope;
}
