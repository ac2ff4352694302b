import { expect, test } from "bun:test";
import { decode } from "@msgpack/msgpack";
import fc from "fast-check";
import { Reader } from "./reader.ts";
import { packValue, unpackValue } from "./values.ts";
import { WireError } from "./wire-error.ts";
import { Writer } from "./writer.ts";

type Value = number | string | boolean | undefined | Uint8Array | readonly string[];

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 80 }),
  fc.constantFrom("", "x".repeat(31), "x".repeat(32), "é".repeat(48), "x".repeat(70_000)),
);

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(70_000),
  text,
  fc.boolean(),
  fc.constant(undefined),
  fc.uint8Array({ maxLength: 200 }),
  fc.array(text, { maxLength: 20 }),
);

function write(writer: Writer, each: Value): void {
  if (typeof each === "number") writer.uint(each);
  else if (typeof each === "string") writer.string(each);
  else if (typeof each === "boolean") writer.bool(each);
  else if (each === undefined) writer.nil();
  else if (each instanceof Uint8Array) writer.bin(each);
  else writer.strings(each);
}

function read(reader: Reader, like: Value): Value {
  if (typeof like === "number") return reader.uint();
  if (typeof like === "string") return like.length % 2 === 0 ? reader.string() : reader.name();
  if (typeof like === "boolean") return reader.bool();
  if (like === undefined) return reader.optionalString();
  if (like instanceof Uint8Array) return reader.bin();
  return reader.strings();
}

test("values come back as they were written, across the blocks that they are written into", () => {
  fc.assert(
    fc.property(fc.array(value), (values) => {
      const writer = new Writer();
      for (const each of values) write(writer, each);
      const bytes = writer.cut();
      const reader = new Reader().reset(bytes, 0, bytes.length);
      for (const each of values) expect(read(reader, each)).toEqual(each);
      expect(reader.isAtEnd).toBe(true);
    }),
  );
});

test("what is written is MessagePack to others", () => {
  fc.assert(
    fc.property(value, (each) => {
      const writer = new Writer();
      write(writer, each);
      expect(decode(writer.cut())).toEqual(each ?? null);
    }),
  );
});

test("a text with a lone surrogate arrives with a replacement character, and what follows is whole", () => {
  for (const lone of ["\ud800", `a\udfff${"x".repeat(60)}`]) {
    const writer = new Writer();
    writer.string(lone);
    writer.uint(7);
    const bytes = writer.cut();
    const reader = new Reader().reset(bytes, 0, bytes.length);
    expect(reader.string()).toBe(lone.toWellFormed());
    expect(reader.uint()).toBe(7);
  }
});

test("names that meet in the memory for them are told apart", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 3 })), (names) => {
      for (const name of [...names, ...names]) {
        const writer = new Writer();
        writer.string(name);
        const bytes = writer.cut();
        expect(new Reader().reset(bytes, 0, bytes.length).name()).toBe(name);
      }
    }),
  );
});

test("a name is not taken for one whose letters are its bytes", () => {
  const encoder = new TextEncoder();
  const name = (bytes: Uint8Array) => new Reader().reset(bytes, 0, bytes.length).name();
  for (let n = 0; n < 30_000; n++) {
    const short = String.fromCodePoint(0x800 + n);
    const bytes = encoder.encode(short);
    const long = String.fromCharCode(...bytes);
    expect(name(Uint8Array.of(0xa0 | (2 * bytes.length), ...encoder.encode(long)))).toBe(long);
    expect(name(Uint8Array.of(0xa0 | bytes.length, ...bytes))).toBe(short);
  }
});

test("garbage is a WireError, whatever is expected of it", () => {
  const readers: ((reader: Reader) => unknown)[] = [
    (reader) => reader.uint(),
    (reader) => reader.bool(),
    (reader) => reader.string(),
    (reader) => reader.name(),
    (reader) => reader.optionalString(),
    (reader) => reader.strings(),
    (reader) => reader.bin(),
    (reader) => reader.optionalBin(),
    (reader) => reader.leave(reader.enter()),
    (reader) => unpackValue(reader.rest()),
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(readers.length - 1), (bytes, which) => {
      // What lies behind the end is no part of the message.
      const padded = new Uint8Array(bytes.length + 8).fill(0xa1);
      padded.set(bytes);
      const reader = new Reader().reset(padded, 0, bytes.length);
      try {
        readers[which]?.(reader);
        expect(reader.at).toBeLessThanOrEqual(bytes.length);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 3000 },
  );
});

test("a length that lies reserves no memory", () => {
  const reader = new Reader().reset(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1), 0, 6);
  expect(() => reader.strings()).toThrow(WireError);
});

test("any value that MessagePack can say comes back, as a copy", () => {
  const given = { a: [1, 1.5, -3, 2 ** 40, "ü", null, undefined, true], b: Uint8Array.of(1, 2) };
  const bytes = new Uint8Array(packValue(given));
  const back = unpackValue(bytes);
  bytes.fill(0);
  expect(back).toEqual(given);
});
