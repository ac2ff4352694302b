import type { ErrorName } from "../errors.ts";
import { utf8Decode } from "./utf8.ts";

/** What is wrong with a message. */
export interface Fault {
  readonly error: ErrorName;
  readonly message: string;
}

/** The families of MessagePack's types. */
export type Kind =
  | "nil"
  | "boolean"
  | "integer"
  | "float"
  | "str"
  | "bin"
  | "array"
  | "map"
  | "extension";

/** A string that is looked for in messages, so that finding it makes no new one. */
export interface Word {
  readonly text: string;
  /** Its bytes; words are ASCII. */
  readonly bytes: readonly number[];
}

export function wordBytes(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

const PROTO = wordBytes("__proto__");
const TIMESTAMP = -1;

/**
 * Reads MessagePack value by value from bytes that nobody vouches for.
 *
 * It never throws, never recurses and allocates nothing for a length that is only announced. After
 * a fault `next` and `skip` answer false. Source: the MessagePack specification, formats.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #view: DataView | undefined;
  #position = 0;
  #fault: Fault | undefined;
  /** Family of the value that `next` met. */
  kind: Kind = "nil";
  /** Bytes of a `str`, `bin` or extension; items of an array; pairs of a map. */
  size = 0;
  /** The value of an integer, a float or, as 0 or 1, a boolean. */
  number = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** What made reading impossible. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  get atEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  /** Meets the next value: reads its head, and all of it when it is a number, a boolean or nil. */
  next(): boolean {
    if (this.#fault !== undefined) return false;
    const head = this.#bytes[this.#position++];
    if (head === undefined) return this.#truncated();
    if (head < 0x80) return this.#is("integer", 0, head);
    if (head < 0x90) return this.#sized("map", head & 0x0f);
    if (head < 0xa0) return this.#sized("array", head & 0x0f);
    if (head < 0xc0) return this.#sized("str", head & 0x1f);
    if (head >= 0xe0) return this.#is("integer", 0, head - 0x100);
    return this.#longHead(head);
  }

  #longHead(head: number): boolean {
    switch (head) {
      case 0xc0:
        return this.#is("nil", 0, 0);
      case 0xc2:
      case 0xc3:
        return this.#is("boolean", 0, head & 1);
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#sized("bin", this.#unsigned(1 << (head - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#unsigned(1 << (head - 0xc7)));
      case 0xca:
      case 0xcb:
        return this.#float(head === 0xca ? 4 : 8);
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#integer(1 << (head - 0xcc), false);
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return this.#integer(1 << (head - 0xd0), true);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#sized("str", this.#unsigned(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#sized("array", this.#unsigned(head === 0xdc ? 2 : 4));
      case 0xde:
      case 0xdf:
        return this.#sized("map", this.#unsigned(head === 0xde ? 2 : 4));
      case 0xc1:
        return this.#malformed("the byte c1 is not used by MessagePack");
      default:
        return this.#extension(1 << (head - 0xd4));
    }
  }

  /** The word of `words` that the `str` just met is, passing over it; undefined when it is none. */
  word<W extends Word>(words: readonly W[]): W | undefined {
    for (const word of words) {
      if (this.#matches(word.bytes)) {
        this.#position += this.size;
        return word;
      }
    }
    return undefined;
  }

  /** The text of the `str` just met; undefined, and a fault, when it is not UTF-8. */
  text(): string | undefined {
    const start = this.#position;
    this.#position += this.size;
    const text = utf8Decode(this.#bytes, start, this.#position);
    if (text === undefined) this.#malformed("a str is not valid UTF-8");
    return text;
  }

  /** The bytes of the `bin` or `str` just met: a view, no copy. */
  bytes(): Uint8Array {
    const start = this.#position;
    this.#position += this.size;
    return this.#bytes.subarray(start, this.#position);
  }

  /** Passes over what is left of the value just met, which may nest `depth` levels deep. */
  skip(depth: number): boolean {
    if (this.kind !== "array" && this.kind !== "map") return this.#skipBody();
    const left: number[] = [];
    const maps: boolean[] = [];
    for (;;) {
      if (this.kind === "array" || this.kind === "map") {
        if (left.length >= depth) return this.tooDeep();
        maps.push(this.kind === "map");
        left.push(this.kind === "map" ? this.size * 2 : this.size);
      } else {
        this.#skipBody();
      }
      let items = left.pop();
      while (items === 0) {
        maps.pop();
        items = left.pop();
      }
      if (items === undefined) return true;
      left.push(items - 1);
      if (!this.next()) return false;
      if (maps.at(-1) === true && items % 2 === 0 && !this.isKey()) return false;
    }
  }

  /** Whether the value just met may be the key of a map; else it is a fault. */
  isKey(): boolean {
    if (this.kind !== "str") return this.#malformed("a key of a map is not a str");
    if (this.#matches(PROTO)) return this.#malformed("a key is __proto__");
    return true;
  }

  tooDeep(): false {
    return this.#fail("signal_too_deep", "the message nests too many maps and arrays");
  }

  #skipBody(): true {
    if (this.kind === "str" || this.kind === "bin" || this.kind === "extension") {
      this.#position += this.size;
    }
    return true;
  }

  #matches(word: readonly number[]): boolean {
    if (word.length !== this.size) return false;
    for (let index = 0; index < word.length; index++) {
      if (this.#bytes[this.#position + index] !== word[index]) return false;
    }
    return true;
  }

  #is(kind: Kind, size: number, number: number): true {
    this.kind = kind;
    this.size = size;
    this.number = number;
    return true;
  }

  #sized(kind: Kind, size: number): boolean {
    if (size > this.#left) return this.#truncated();
    return this.#is(kind, size, 0);
  }

  #extension(size: number): boolean {
    const type = this.#unsigned(1) - 0x100;
    if (type === TIMESTAMP && size !== 4 && size !== 8 && size !== 12) {
      return this.#malformed("a timestamp has 4, 8 or 12 bytes");
    }
    return this.#sized("extension", size);
  }

  #float(width: 4 | 8): boolean {
    const view = this.#dataView();
    if (this.#left < width) return this.#truncated();
    const at = this.#position;
    this.#position += width;
    return this.#is("float", 0, width === 4 ? view.getFloat32(at) : view.getFloat64(at));
  }

  /** A 64-bit integer that a number cannot hold comes out rounded, hence as no safe integer. */
  #integer(width: number, signed: boolean): boolean {
    if (this.#left < width) return this.#truncated();
    const range = 2 ** (8 * width);
    const value = this.#unsigned(width);
    return this.#is("integer", 0, signed && value >= range / 2 ? value - range : value);
  }

  /** An unsigned number of `width` bytes; infinite when they are not there. */
  #unsigned(width: number): number {
    if (this.#left < width) return Number.POSITIVE_INFINITY;
    let value = 0;
    for (let index = 0; index < width; index++) {
      value = value * 256 + (this.#bytes[this.#position++] ?? 0);
    }
    return value;
  }

  get #left(): number {
    return this.#bytes.length - this.#position;
  }

  #dataView(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    this.#view ??= new DataView(buffer, byteOffset, byteLength);
    return this.#view;
  }

  #truncated(): false {
    return this.#malformed("the message ends within a value");
  }

  #malformed(message: string): false {
    return this.#fail("malformed_signal", message);
  }

  #fail(error: ErrorName, message: string): false {
    this.#fault ??= { error, message };
    return false;
  }
}
