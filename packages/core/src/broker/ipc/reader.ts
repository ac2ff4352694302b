import { readLastingText, readName, readText } from "./text.ts";
import { WireError } from "./wire-error.ts";

/**
 * Reads MessagePack values of known types; anything else is a `WireError`. It knows the forms that
 * `Writer` writes, and no others.
 */
export class Reader {
  bytes = new Uint8Array(0);
  at = 0;
  end = 0;

  /** Reads from `start` up to `end` from now on. */
  reset(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes as Uint8Array<ArrayBuffer>;
    this.at = start;
    this.end = end;
    return this;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  uint(): number {
    const lead = this.#byte();
    if (lead < 0x80) return lead;
    if (lead === 0xcd) return this.#number(2);
    if (lead === 0xce) return this.#number(4);
    if (lead !== 0xcf) throw this.#unexpected("a number", lead);
    const value = this.#number(4) * 0x1_0000_0000 + this.#number(4);
    if (!Number.isSafeInteger(value)) throw new WireError("a number passes 2^53");
    return value;
  }

  bool(): boolean {
    const lead = this.#byte();
    if (lead !== 0xc2 && lead !== 0xc3) throw this.#unexpected("a boolean", lead);
    return lead === 0xc3;
  }

  /** Entries of the array that follows. */
  array(): number {
    const lead = this.#byte();
    if ((lead & 0xf0) === 0x90) return lead & 0x0f;
    if (lead !== 0xdd) throw this.#unexpected("an array", lead);
    const length = this.#number(4);
    // Each entry takes a byte, so a length that lies cannot make anybody reserve memory for it.
    if (length > this.end - this.at) throw new WireError("an array is cut off");
    return length;
  }

  string(): string {
    const length = this.#length(this.#byte());
    const start = this.#skip(length);
    return readText(this.bytes, start, this.at);
  }

  /** A text that is kept for long. */
  lastingString(): string {
    const length = this.#length(this.#byte());
    const start = this.#skip(length);
    return readLastingText(this.bytes, start, this.at);
  }

  /** A text that comes again and again, such as the name of an app or a channel. */
  name(): string {
    const length = this.#length(this.#byte());
    const start = this.#skip(length);
    return readName(this.bytes, start, this.at);
  }

  optionalString(): string | undefined {
    return this.#skipsNil() ? undefined : this.string();
  }

  optionalLastingString(): string | undefined {
    return this.#skipsNil() ? undefined : this.lastingString();
  }

  strings(): string[] {
    const texts: string[] = [];
    for (let left = this.array(); left > 0; left--) texts.push(this.string());
    return texts;
  }

  names(): string[] {
    const names: string[] = [];
    for (let left = this.array(); left > 0; left--) names.push(this.name());
    return names;
  }

  /** The bytes where they lie, which are the reader's only for the moment. */
  binView(): Uint8Array {
    const start = this.#skip(this.#binLength());
    return this.bytes.subarray(start, this.at);
  }

  /** What is left, where it lies. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }

  /** A copy of the bytes. */
  bin(): Uint8Array {
    return new Uint8Array(this.binView());
  }

  optionalBin(): Uint8Array | undefined {
    return this.#skipsNil() ? undefined : this.bin();
  }

  /** Reads on inside a binary value; `leave` takes the answer. */
  enter(): number {
    const length = this.#binLength();
    if (length > this.end - this.at) throw new WireError("a value is cut off");
    const outer = this.end;
    this.end = this.at + length;
    return outer;
  }

  /** Goes on behind the binary value, whatever of it has been read. */
  leave(outer: number): void {
    this.at = this.end;
    this.end = outer;
  }

  #skipsNil(): boolean {
    if (this.bytes[this.at] !== 0xc0 || this.isAtEnd) return false;
    this.at++;
    return true;
  }

  #binLength(): number {
    const lead = this.#byte();
    if (lead !== 0xc6) throw this.#unexpected("bytes", lead);
    return this.#number(4);
  }

  #length(lead: number): number {
    if ((lead & 0xe0) === 0xa0) return lead & 0x1f;
    if (lead === 0xd9) return this.#byte();
    if (lead === 0xda) return this.#number(2);
    if (lead === 0xdb) return this.#number(4);
    throw this.#unexpected("a text", lead);
  }

  #byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined || this.at >= this.end) throw new WireError("a message is cut off");
    this.at++;
    return byte;
  }

  #number(width: 2 | 4): number {
    const { bytes, at } = this;
    this.#skip(width);
    const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    return width === 2
      ? high
      : high * 0x1_0000 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
  }

  /** Answers where the bytes began that were passed over. */
  #skip(length: number): number {
    const start = this.at;
    if (length > this.end - start) throw new WireError("a value is cut off");
    this.at = start + length;
    return start;
  }

  #unexpected(expected: string, lead: number): WireError {
    return new WireError(`${expected} was expected, not 0x${lead.toString(16)}`);
  }
}
