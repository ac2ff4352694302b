import { describe, expect, test } from "bun:test";
import { codeOf, hex } from "../testing/bytes.ts";
import { ErrorCode } from "./errors.ts";
import { decodeSettings, encodeServerSettings } from "./settings.ts";

describe("settings", () => {
  test("of a server are what browsers ask for", () => {
    expect(encodeServerSettings(16_384)).toEqual(
      hex("04 20 0100 0700 0680004000 0801 3301 ab60374201 c00000 00c671706a 01 94e9cd29 01"),
    );
  });

  test("of Chromium are read", () => {
    const { takesDatagrams } = decodeSettings(hex("0100 0680010000 0710 3301 ab60374201"));
    expect(takesDatagrams).toBe(true);
  });

  test("may be none, and then there are no datagrams", () => {
    expect(decodeSettings(hex("")).takesDatagrams).toBe(false);
    expect(decodeSettings(hex("3300")).takesDatagrams).toBe(false);
  });

  test("that are unknown are passed over, however large", () => {
    expect(decodeSettings(hex("ffffffffffffffff ffffffffffffffff 3301")).takesDatagrams).toBe(true);
  });

  test("that differ past 2^53 are two", () => {
    const two = hex("ffffffffffffffff 00 fffffffffffffffe 00");
    expect(codeOf(() => decodeSettings(two))).toBeUndefined();
  });

  test.each([
    ["comes twice", "0600 0601", "H3_SETTINGS_ERROR"],
    ["comes twice though unknown", "21 00 4021 00", "H3_SETTINGS_ERROR"],
    ["is reserved (0)", "0000", "H3_SETTINGS_ERROR"],
    ["is reserved (2)", "0200", "H3_SETTINGS_ERROR"],
    ["is reserved (3)", "0300", "H3_SETTINGS_ERROR"],
    ["is reserved (4)", "0400", "H3_SETTINGS_ERROR"],
    ["is reserved (5)", "0500", "H3_SETTINGS_ERROR"],
    ["is neither on nor off: datagrams", "3302", "H3_SETTINGS_ERROR"],
    ["is neither on nor off: CONNECT", "0802", "H3_SETTINGS_ERROR"],
    ["is neither on nor off: WebTransport", "ab60374202", "H3_SETTINGS_ERROR"],
    ["has no value", "06", "H3_FRAME_ERROR"],
    ["has half an identifier", "40", "H3_FRAME_ERROR"],
    ["has half a value", "0640", "H3_FRAME_ERROR"],
  ] as const)("are refused where one %s", (_what, digits, code) => {
    expect(codeOf(() => decodeSettings(hex(digits)))).toBe(ErrorCode[code]);
  });
});
