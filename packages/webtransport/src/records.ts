import { VarintParser } from "./varint.ts";

/** What becomes of a record: its value given whole, in pieces as it comes, or passed over. */
export type Treatment = "whole" | "pieces" | "skip" | "stop";

/** Takes the records of a stream. What it throws ends the parsing. */
export interface RecordHandler {
  /**
   * A record begins. For "whole" the length must have a limit. "stop" means that what follows the
   * two integers is no record, but for somebody else.
   */
  begin(type: number, length: number): Treatment;
  /** The value of a "whole" record; false stops the parser behind it. */
  whole(type: number, value: Uint8Array<ArrayBuffer>): boolean;
  /** A part of a "pieces" record, valid only until this returns; false stops the parser behind it. */
  piece(type: number, bytes: Uint8Array<ArrayBuffer>): boolean;
}

/** Room for a value grows with what has come of it: a length alone reserves no memory. */
const FIRST_ROOM = 256;

const EMPTY = new Uint8Array(0);

/**
 * Cuts a stream into records of type, length and value: HTTP/3 frames (RFC 9114, section 7.1) and
 * capsules (RFC 9297, section 3.2) alike.
 */
export class RecordParser {
  readonly #handler: RecordHandler;
  readonly #varint = new VarintParser();
  #state: "type" | "length" | "value" = "type";
  #type = 0;
  #treatment: Treatment = "skip";
  #left = 0;
  #length = 0;
  #room = EMPTY;

  constructor(handler: RecordHandler) {
    this.#handler = handler;
  }

  /** Whether the stream may end here. */
  get isBetween(): boolean {
    return this.#state === "type" && !this.#varint.isPartial;
  }

  /** Takes bytes of the stream, and answers how many: all of them unless the handler stopped it. */
  push(bytes: Uint8Array<ArrayBuffer>): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === "value") {
        const end = Math.min(bytes.length, at + this.#left);
        const goesOn = this.#value(bytes.subarray(at, end));
        at = end;
        if (!goesOn) return at;
      } else if (this.#varint.push(bytes[at++] ?? 0) && !this.#integer(this.#varint.value)) {
        return at;
      }
    }
    return at;
  }

  #integer(value: number): boolean {
    if (this.#state === "type") {
      this.#type = value;
      this.#state = "length";
      return true;
    }
    this.#length = value;
    this.#left = value;
    this.#treatment = this.#handler.begin(this.#type, value);
    this.#state = value === 0 || this.#treatment === "stop" ? "type" : "value";
    if (this.#treatment === "stop") return false;
    return value > 0 || this.#treatment !== "whole" || this.#handler.whole(this.#type, EMPTY);
  }

  #value(bytes: Uint8Array<ArrayBuffer>): boolean {
    const start = this.#length - this.#left;
    this.#left -= bytes.length;
    if (this.#left === 0) this.#state = "type";
    if (this.#treatment === "pieces") return this.#handler.piece(this.#type, bytes);
    if (this.#treatment === "skip") return true;
    this.#keep(bytes, start);
    if (this.#left > 0) return true;
    const value = this.#room.subarray(0, this.#length);
    this.#room = EMPTY;
    return this.#handler.whole(this.#type, value);
  }

  #keep(bytes: Uint8Array<ArrayBuffer>, start: number): void {
    const end = start + bytes.length;
    if (end > this.#room.length) {
      const wanted = Math.max(end, 2 * this.#room.length, FIRST_ROOM);
      const room = new Uint8Array(Math.min(this.#length, wanted));
      room.set(this.#room.subarray(0, start));
      this.#room = room;
    }
    this.#room.set(bytes, start);
  }
}

/** Bytes one after the other. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
