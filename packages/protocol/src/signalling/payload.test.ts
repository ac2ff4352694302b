import { describe, expect, test } from "bun:test";
import { decode, encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { decode as decodeByAnother } from "notepack.io";
import { errorCatalogue } from "../errors.ts";
import { signalLimits } from "./limits.ts";
import { decodeEventPayload, decodeState, encodeEventPayload, isMapPayload } from "./payload.ts";

const hex = (digits: string) => Uint8Array.from(Buffer.from(digits.replaceAll(" ", ""), "hex"));

describe("the payload of an event", () => {
  test("has exactly these bytes", () => {
    const payload = encodeEventPayload("hi", '{"a":1}');
    expect(Buffer.from(payload).toString("hex")).toBe(
      `82a56576656e74a26869a464617461a7${Buffer.from('{"a":1}').toString("hex")}`,
    );
  });

  test("comes back as it was, here and in another implementation", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 400 });
    fc.assert(
      fc.property(text, text, (event, data) => {
        const payload = encodeEventPayload(event, data);
        expect(decodeEventPayload(payload)).toEqual({ event, data });
        expect(decodeByAnother(Buffer.from(payload)) as unknown).toEqual({ event, data });
      }),
    );
  });

  test("passes over other keys, in any order", () => {
    expect(decodeEventPayload(encode({ x: [1], data: "2", event: "e" }))).toEqual({
      event: "e",
      data: "2",
    });
  });

  test("takes nil for undefined, which the published client sends so", () => {
    expect(decodeEventPayload(encode({ event: "e", data: undefined }))).toEqual({
      event: "e",
      data: "null",
    });
  });

  test.each([
    ["no bytes", ""],
    ["a number", "05"],
    ["an event alone", "81 a56576656e74 a165"],
    ["an event that is no str", "82 a56576656e74 01 a464617461 a131"],
    ["data that is a map", "82 a56576656e74 a165 a464617461 80"],
    ["an event behind which bytes follow", "82 a56576656e74 a165 a464617461 a131 00"],
    ["an event of a torn surrogate", "82 a56576656e74 a3eda080 a464617461 a131"],
  ])("is opaque when it is %s", (_what, digits) => {
    expect(decodeEventPayload(hex(digits))).toBeUndefined();
  });

  test("is read or opaque for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const payload = decodeEventPayload(bytes);
        if (payload !== undefined) expect(isMapPayload(bytes)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test("mends a lone surrogate, so that strict readers accept it", () => {
    expect(decodeEventPayload(encodeEventPayload("e", "\ud800"))).toEqual({
      event: "e",
      data: "\ufffd",
    });
  });
});

test("what passes for a map is read without a fault by the library of the published client", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<unknown>(null, true, 1.5, -1, 2 ** 40, "id", "__proto_"),
      fc.uint8Array({ maxLength: 4 }),
      fc.date({ noInvalidDate: true }),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("id", "k"), tie("any")),
    ),
  })).any;
  const mutated = fc
    .tuple(fc.dictionary(fc.constant("id"), value), fc.nat(), fc.nat(255))
    .map(([map, at, byte]) => {
      const bytes = encode(map);
      bytes[at % bytes.length] = byte;
      return bytes;
    });
  let passed = 0;
  fc.assert(
    fc.property(mutated, (bytes) => {
      if (!isMapPayload(bytes)) return;
      passed++;
      expect(decode(bytes)).toBeObject();
    }),
    { numRuns: 5000 },
  );
  expect(passed).toBeGreaterThan(500);
});

describe("a state", () => {
  test("keeps whatever it holds beside its id", () => {
    const state = { id: "ada", cursor: { x: 1.5, y: -2 }, tags: ["a", null, true] };
    expect(decodeState(encode(state))).toEqual({ ok: true, state });
  });

  test("may hold times, which writers put into 4, 8 or 12 bytes", () => {
    for (const at of [new Date(1_700_000_000_000), new Date(1_700_000_000_123), new Date(-1)]) {
      expect(decodeState(encode({ id: "ada", at }))).toEqual({
        ok: true,
        state: { id: "ada", at },
      });
    }
  });

  test("gets the text of an id that is a number", () => {
    expect(decodeState(encode({ id: 42 }))).toEqual({ ok: true, state: { id: "42" } });
  });

  test.each([
    ["no map", "05"],
    ["no id", "80"],
    ["an empty id", "81 a26964 a0"],
    ["an id that is nil", "81 a26964 c0"],
    ["an id with a fraction", "81 a26964 cb3ff8000000000000"],
    ["a key that is a number", "82 a26964 a161 01 02"],
    ["the key __proto__", "82 a26964 a161 a95f5f70726f746f5f5f 80"],
    ["the key __proto__ further in", "82 a26964 a161 a178 81 a95f5f70726f746f5f5f 80"],
    ["bytes behind it", "81 a26964 a161 00"],
    ["an array that announces four gigabytes", "82 a26964 a161 a178 ddffffffff"],
    ["a timestamp of the wrong size", "82 a26964 a161 a178 d4ff00"],
  ])("is invalid with %s", (_what, digits) => {
    expect(decodeState(hex(digits))).toMatchObject({ ok: false, error: "invalid_state" });
  });

  test("may not be larger or deeper than its limits", () => {
    const limits = signalLimits(65_536, 8);
    expect(decodeState(encode({ id: "ada" }), limits)).toMatchObject({ ok: true });
    expect(decodeState(encode({ id: "adam" }), limits)).toMatchObject({ error: "state_too_large" });
    const nested = (levels: number) => hex(`82 a26964 a161 a178 ${"91".repeat(levels - 2)} 90`);
    expect(decodeState(nested(32))).toMatchObject({ ok: true });
    expect(decodeState(nested(33))).toMatchObject({ error: "invalid_state" });
  });

  test("is read or a numbered error for any bytes, and touches no prototype", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const result = decodeState(bytes);
        if (!result.ok) expect(errorCatalogue).toHaveProperty(result.error);
      }),
      { numRuns: 3000 },
    );
    expect(decodeState(encode({ id: "a", constructor: "mine" }))).toMatchObject({ ok: true });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});
