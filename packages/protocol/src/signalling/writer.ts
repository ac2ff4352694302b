import { utf8Length, utf8Write } from "./utf8.ts";

/** Writes MessagePack in its shortest forms. Source: the MessagePack specification, formats. */
export class Writer {
  #bytes = new Uint8Array(1024);
  #length = 0;

  /** What was written since the last `take`, as an array of its own. */
  take(): Uint8Array {
    const message = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return message;
  }

  map(pairs: number): void {
    this.#container(pairs, 0x80, 0xde);
  }

  array(items: number): void {
    this.#container(items, 0x90, 0xdc);
  }

  text(text: string): void {
    const length = utf8Length(text);
    this.#reserve(length + 5);
    if (length < 0x20) this.#put(0xa0 | length);
    else this.#sized(length, 0xd9);
    this.#length = utf8Write(text, this.#bytes, this.#length);
  }

  binary(bytes: Uint8Array): void {
    this.#reserve(bytes.length + 5);
    this.#sized(bytes.length, 0xc4);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A number that is not negative; a fraction is cut off, since the protocol has none. */
  unsigned(value: number): void {
    this.#reserve(9);
    if (value < 0x80) this.#put(value);
    else if (value < 0x100) this.#number(0xcc, value, 1);
    else if (value < 0x10000) this.#number(0xcd, value, 2);
    else if (value < 0x1_0000_0000) this.#number(0xce, value, 4);
    else this.#number(0xcf, value, 8);
  }

  boolean(value: boolean): void {
    this.#reserve(1);
    this.#put(value ? 0xc3 : 0xc2);
  }

  #container(size: number, fixed: number, head16: number): void {
    this.#reserve(5);
    if (size < 0x10) this.#put(fixed | size);
    else if (size < 0x10000) this.#number(head16, size, 2);
    else this.#number(head16 + 1, size, 4);
  }

  #sized(size: number, head8: number): void {
    if (size < 0x100) this.#number(head8, size, 1);
    else if (size < 0x10000) this.#number(head8 + 1, size, 2);
    else this.#number(head8 + 2, size, 4);
  }

  #number(head: number, value: number, width: number): void {
    this.#put(head);
    let rest = value;
    for (let index = width - 1; index >= 0; index--) {
      this.#bytes[this.#length + index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#length += width;
  }

  #put(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
