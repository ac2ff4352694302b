import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MessageReader } from "./message-reader.ts";
import { Outgoing } from "./outgoing.ts";

describe("messages on a stream", () => {
  test("arrive whole, wherever the stream is cut", () => {
    const cases = fc.tuple(
      fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
    );
    fc.assert(
      fc.property(cases, ([messages, cuts]) => {
        const received: Uint8Array[] = [];
        const reader = new MessageReader(600, (message) => received.push(message));
        const bytes = new Uint8Array(messages.flatMap((each) => [...new Outgoing(each).framed]));
        for (let at = 0, round = 0; at < bytes.length; round++) {
          const length = cuts[round % cuts.length] ?? 1;
          const piece = bytes.slice(at, at + length);
          expect(reader.push(piece)).toBe(true);
          piece.fill(0xff);
          at += length;
        }
        expect(received).toEqual(messages);
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  test("are refused when they are longer than they may be", () => {
    const reader = new MessageReader(4, () => {});
    expect(reader.push(new Uint8Array([0, 0, 0, 4, 1, 2, 3, 4]))).toBe(true);
    expect(reader.push(new Uint8Array([0, 0, 0, 5]))).toBe(false);
    expect(new MessageReader(4, () => {}).push(new Uint8Array([255, 255, 255, 255]))).toBe(false);
  });
});
