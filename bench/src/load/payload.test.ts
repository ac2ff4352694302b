import { expect, test } from "bun:test";
import { payload } from "./payload.ts";

test("payloads of a run have the same length whatever their number", () => {
  for (const sequence of [0, 9, 10, 123_456]) {
    const text = payload(sequence, 120);
    expect(Buffer.byteLength(text)).toBe(120);
    expect(JSON.parse(text).sequence).toBe(sequence);
  }
});

test("a length that cannot hold the number is refused", () => {
  expect(() => payload(0, 10)).toThrow("at least");
});
