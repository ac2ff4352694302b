import { writeText } from "./text.ts";

/** Bytes of a block that messages are written into one after the other. */
const BLOCK = 65_536;
/** Up to this length a loop over code units is cheaper than a call. */
const SHORT_TEXT = 48;

/**
 * Writes MessagePack values into blocks of memory.
 *
 * Own code, since the library makes an object of each message first: this writes a publication into
 * the frame that carries it, and nothing else is allocated.
 */
export class Writer {
  bytes = new Uint8Array(BLOCK);
  /** Where the next value goes. */
  at = 0;
  /** Where that begins which has to stay in one piece. */
  base = 0;

  /** What was written since `cut` last answered. */
  get length(): number {
    return this.at - this.base;
  }

  /** The piece that was written; what follows is another one. */
  cut(): Uint8Array {
    const piece = this.bytes.subarray(this.base, this.at);
    this.base = this.at;
    return piece;
  }

  /** Makes room; whoever holds a place in `bytes` holds it relative to `base`. */
  ensure(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const written = this.at - this.base;
    const bytes = new Uint8Array(Math.max(BLOCK, 2 * (written + length)));
    bytes.set(this.bytes.subarray(this.base, this.at));
    this.bytes = bytes;
    this.base = 0;
    this.at = written;
  }

  nil(): void {
    this.ensure(1);
    this.bytes[this.at++] = 0xc0;
  }

  bool(value: boolean): void {
    this.ensure(1);
    this.bytes[this.at++] = value ? 0xc3 : 0xc2;
  }

  /** A whole number from 0 to 2^53 - 1. */
  uint(value: number): void {
    this.ensure(9);
    const { bytes } = this;
    if (value < 0x80) {
      bytes[this.at++] = value;
    } else if (value < 0x1_0000) {
      bytes[this.at++] = 0xcd;
      bytes[this.at++] = value >>> 8;
      bytes[this.at++] = value;
    } else if (value < 0x1_0000_0000) {
      bytes[this.at++] = 0xce;
      this.#uint32(value);
    } else {
      bytes[this.at++] = 0xcf;
      this.#uint32(Math.floor(value / 0x1_0000_0000));
      this.#uint32(value % 0x1_0000_0000);
    }
  }

  array(length: number): void {
    this.ensure(5);
    if (length < 16) {
      this.bytes[this.at++] = 0x90 | length;
    } else {
      this.bytes[this.at++] = 0xdd;
      this.#uint32(length);
    }
  }

  string(text: string): void {
    const { length } = text;
    this.ensure(3 * length + 5);
    if (length <= SHORT_TEXT && this.#ascii(text)) return;
    const { bytes, at } = this;
    const wide = length > 0xffff / 3;
    const start = at + (wide ? 5 : 3);
    const end = writeText(text, bytes, start);
    bytes[at] = wide ? 0xdb : 0xda;
    this.at = at + 1;
    if (wide) this.#uint32(end - start);
    else {
      bytes[at + 1] = (end - start) >>> 8;
      bytes[at + 2] = end - start;
    }
    this.at = end;
  }

  optionalString(text: string | undefined): void {
    if (text === undefined) this.nil();
    else this.string(text);
  }

  bin(content: Uint8Array): void {
    this.ensure(content.length + 5);
    this.bytes[this.at++] = 0xc6;
    this.#uint32(content.length);
    this.raw(content);
  }

  /** Bytes that are values already. */
  raw(content: Uint8Array): void {
    this.ensure(content.length);
    // A short loop is cheaper than the call.
    if (content.length > 64) this.bytes.set(content, this.at);
    else for (let i = 0; i < content.length; i++) this.bytes[this.at + i] = content[i] ?? 0;
    this.at += content.length;
  }

  optionalBin(content: Uint8Array | undefined): void {
    if (content === undefined) this.nil();
    else this.bin(content);
  }

  strings(texts: readonly string[]): void {
    this.array(texts.length);
    for (const text of texts) this.string(text);
  }

  /** Begins a binary value made of what is written until `closeBin`, which takes the answer. */
  openBin(): number {
    this.ensure(5);
    const place = this.at - this.base;
    this.bytes[this.at] = 0xc6;
    this.at += 5;
    return place;
  }

  closeBin(place: number): void {
    const start = this.base + place;
    this.#uint32At(start + 1, this.at - start - 5);
  }

  /** A number in eight bytes, whatever its size, at a place relative to `base`. */
  putUint64(place: number, value: number): void {
    this.bytes[this.base + place] = 0xcf;
    this.#uint32At(this.base + place + 1, Math.floor(value / 0x1_0000_0000));
    this.#uint32At(this.base + place + 5, value % 0x1_0000_0000);
  }

  #ascii(text: string): boolean {
    const { bytes, at } = this;
    const { length } = text;
    let end = at;
    if (length < 32) bytes[end++] = 0xa0 | length;
    else {
      bytes[end++] = 0xd9;
      bytes[end++] = length;
    }
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return false;
      bytes[end++] = unit;
    }
    this.at = end;
    return true;
  }

  #uint32(value: number): void {
    this.#uint32At(this.at, value);
    this.at += 4;
  }

  #uint32At(at: number, value: number): void {
    const { bytes } = this;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }
}
