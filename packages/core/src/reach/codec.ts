import { packValue, unpackValue } from "../broker/ipc/values.ts";
import { WireError } from "../broker/ipc/wire-error.ts";
import type { ReachMessage } from "./transport.ts";

/** With which every message begins; another version would be another number. */
const VERSION = 1;

/** The places of these are what stands for them. */
const TYPES = ["question", "answer", "refusal", "word"] as const;

/** Whoever reads a message has to know who wrote it. */
export interface ReachLetter {
  readonly start: string;
  readonly message: ReachMessage;
}

/** One MessagePack list: the version, the start that says it, the type, and what that has. */
export function encodeReach(start: string, message: ReachMessage): Uint8Array {
  return packValue([VERSION, start, TYPES.indexOf(message.type), ...partsOf(message)]);
}

/** @throws WireError when the bytes are no message of this version */
export function decodeReach(bytes: Uint8Array): ReachLetter {
  const value = unpackValue(bytes);
  if (!Array.isArray(value)) throw new WireError("a message is no list");
  const [version, start, type, ...parts] = value as unknown[];
  if (version !== VERSION) throw new WireError("a message is of another version");
  return { start: text(start), message: messageOf(TYPES[uint(type)], parts) };
}

function partsOf(message: ReachMessage): readonly unknown[] {
  switch (message.type) {
    case "question":
      return [message.number, message.method, message.argument];
    case "answer":
      return [message.number, message.value];
    case "refusal":
      return [message.number, message.error, message.message];
    case "word":
      return [message.method, message.argument];
  }
}

function messageOf(
  type: ReachMessage["type"] | undefined,
  [first, second, third]: readonly unknown[],
): ReachMessage {
  switch (type) {
    case "question":
      return { type, number: uint(first), method: text(second), argument: third };
    case "answer":
      return { type, number: uint(first), value: second };
    case "refusal":
      return { type, number: uint(first), error: text(second), message: text(third) };
    case "word":
      return { type, method: text(first), argument: second };
    case undefined:
      throw new WireError("a message is of an unknown kind");
  }
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new WireError("a message has no text where one belongs");
}

function uint(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new WireError("a message has no number where one belongs");
}
