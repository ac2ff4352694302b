import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../http3/errors.ts";
import { codeOf, cut, hex } from "../testing/bytes.ts";
import { DecoderInstructions, readEncoderInstructions } from "./instructions.ts";

describe("the client's encoder", () => {
  test("may set the capacity to nothing", () => {
    expect(codeOf(() => readEncoderInstructions(hex("20 20")))).toBeUndefined();
  });

  test.each([
    ["sets a capacity", "21"],
    ["sets a large capacity", "3f e1 1f"],
    ["inserts with a name of the static table", "c0 01 61"],
    ["inserts with a literal name", "41 61 01 62"],
    ["duplicates", "00"],
  ])("is refused when it %s", (_what, digits) => {
    const code = ErrorCode.QPACK_ENCODER_STREAM_ERROR;
    expect(codeOf(() => readEncoderInstructions(hex(digits)))).toBe(code);
  });
});

describe("the client's decoder", () => {
  test("may cancel streams, however that is cut up", () => {
    for (const sizes of [[], [1], [2], [1, 1, 1, 1]]) {
      const instructions = new DecoderInstructions();
      for (const piece of cut(hex("40 7f 80 01 44"), sizes)) instructions.push(piece);
    }
  });

  test.each([
    ["acknowledges a section", "80"],
    ["counts an insert", "01"],
    ["counts no insert", "00"],
    ["cancels a stream without end", "7f ffffffffffffffffffffff"],
  ])("is refused when it %s", (_what, digits) => {
    const code = ErrorCode.QPACK_DECODER_STREAM_ERROR;
    expect(codeOf(() => new DecoderInstructions().push(hex(digits)))).toBe(code);
  });
});
