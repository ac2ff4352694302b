import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatenate, type RecordHandler, RecordParser, type Treatment } from "./records.ts";
import { cut } from "./testing/bytes.ts";
import { encodeVarint } from "./varint.ts";

/** Types under 10 are given whole, under 20 in pieces, others are passed over. */
class Collector implements RecordHandler {
  readonly begun: [type: number, length: number][] = [];
  readonly values: [type: number, octets: number[]][] = [];
  stopsAt = -1;

  begin(type: number, length: number): Treatment {
    this.begun.push([type, length]);
    if (type === this.stopsAt) return "stop";
    if (type >= 10 && type < 20) this.values.push([type, []]);
    return type < 10 ? "whole" : type < 20 ? "pieces" : "skip";
  }

  whole(type: number, value: Uint8Array): boolean {
    this.values.push([type, [...value]]);
    return true;
  }

  piece(_type: number, bytes: Uint8Array): boolean {
    this.values.at(-1)?.[1].push(...bytes);
    return true;
  }
}

function record(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatenate([encodeVarint(type), encodeVarint(value.length), value]);
}

const anyRecord = fc.tuple(fc.integer({ min: 0, max: 30 }), fc.uint8Array({ maxLength: 700 }));
const anySizes = fc.array(fc.integer({ min: 0, max: 80 }), { maxLength: 60 });

describe("records", () => {
  test("are the same however the stream is cut up", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 6 }), anySizes, (records, sizes) => {
        const handler = new Collector();
        const parser = new RecordParser(handler);
        const stream = concatenate(records.map(([type, value]) => record(type, value)));
        for (const piece of cut(stream, sizes)) expect(parser.push(piece)).toBe(piece.length);
        expect(parser.isBetween).toBe(true);
        expect(handler.begun).toEqual(records.map(([type, value]) => [type, value.length]));
        const wanted = records.filter(([type]) => type < 20);
        expect(handler.values).toEqual(wanted.map(([type, value]) => [type, [...value]]));
      }),
    );
  });

  test("are between each other nowhere else", () => {
    const stream = record(1, new Uint8Array(70));
    for (let length = 1; length < stream.length; length++) {
      const parser = new RecordParser(new Collector());
      parser.push(stream.slice(0, length));
      expect(parser.isBetween).toBe(false);
    }
  });

  test("leave what follows to others when the handler says so", () => {
    const stream = concatenate([record(25, Uint8Array.of(1, 2, 3)), Uint8Array.of(9, 9)]);
    const atBegin = new Collector();
    atBegin.stopsAt = 25;
    expect(new RecordParser(atBegin).push(stream)).toBe(2);
    const whole = concatenate([record(5, Uint8Array.of(1, 2, 3)), Uint8Array.of(9, 9)]);
    const behindValue: RecordHandler = {
      begin: () => "whole",
      whole: () => false,
      piece: () => true,
    };
    expect(new RecordParser(behindValue).push(whole)).toBe(5);
  });

  test("leave a value alone that they have given", () => {
    const values: Uint8Array[] = [];
    const parser = new RecordParser({
      begin: () => "whole",
      whole: (_type, value) => values.push(value) > 0,
      piece: () => true,
    });
    parser.push(concatenate([record(1, Uint8Array.of(1, 2)), record(1, Uint8Array.of(3, 4))]));
    expect(values).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3, 4)]);
  });

  test("reserve no memory for a length that is only claimed", () => {
    const parser = new RecordParser(new Collector());
    const claims = concatenate([encodeVarint(5), encodeVarint(2 ** 40), Uint8Array.of(1)]);
    expect(parser.push(claims)).toBe(claims.length);
  });
});
