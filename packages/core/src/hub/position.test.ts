import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parsePosition, positionText } from "./position.ts";

describe("the text of a position", () => {
  test("is read as the position that it was written from", () => {
    const epoch = fc.stringMatching(/^[\w-]{1,80}$/);
    const offset = fc.maxSafeNat();
    fc.assert(
      fc.property(epoch, offset, (epoch, offset) => {
        expect(parsePosition(positionText({ epoch, offset }))).toEqual({ epoch, offset });
      }),
    );
  });

  test("is one text only", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const position = parsePosition(text);
        if (position !== undefined) expect(positionText(position)).toBe(text);
      }),
    );
  });

  test.each([
    "",
    ".",
    "a",
    "a.",
    ".1",
    "a.-1",
    "a.01",
    "a.1.2",
    "a.1e3",
    "a b.1",
    "a.9007199254740992",
    `${"a".repeat(100)}.1`,
    "a.1\n",
  ])("%j is none", (text) => {
    expect(parsePosition(text)).toBeUndefined();
  });
});
