import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Field } from "../qpack/static-table.ts";
import { codeOf } from "../testing/bytes.ts";
import { ErrorCode, Http3Error } from "./errors.ts";
import { fieldSectionSize, isFieldValid, readRequestFields } from "./request-fields.ts";

const PSEUDO: readonly Field[] = [
  [":method", "CONNECT"],
  [":scheme", "https"],
  [":authority", "example.org"],
  [":path", "/"],
  [":protocol", "webtransport"],
];

function without(...names: readonly string[]): Field[] {
  return PSEUDO.filter(([name]) => !names.includes(name));
}

function changed(name: string, value: string): Field[] {
  return PSEUDO.map((field) => (field[0] === name ? [name, value] : field));
}

describe("a request", () => {
  test("is taken apart", () => {
    const headers: Field[] = [
      ["cookie", "a=1"],
      ["cookie", "b=2"],
      ["te", "trailers"],
      ["x-empty", ""],
      ["x-latin", "\xe4 \t\xff"],
    ];
    expect(readRequestFields([...PSEUDO, ...headers])).toEqual({
      method: "CONNECT",
      scheme: "https",
      authority: "example.org",
      path: "/",
      protocol: "webtransport",
      headers,
    });
  });

  test.each<[what: string, fields: readonly Field[]]>([
    ["a plain CONNECT", without(":scheme", ":path", ":protocol")],
    ["a GET", [[":method", "GET"], ...without(":method", ":protocol")]],
    ["a host in the place of the authority", [...without(":authority"), ["host", "a"]]],
    ["a host that is the authority", [...PSEUDO, ["host", "example.org"]]],
    [
      "OPTIONS *",
      [[":method", "OPTIONS"], ...without(":method", ":protocol", ":path"), [":path", "*"]],
    ],
  ])("may be %s", (_what, fields) => {
    expect(codeOf(() => readRequestFields(fields))).toBeUndefined();
  });

  test.each<[what: string, fields: readonly Field[]]>([
    ["no fields", []],
    ["no method", without(":method")],
    ["no scheme", without(":scheme")],
    ["no path", without(":path")],
    ["no authority", without(":authority")],
    ["an empty authority", changed(":authority", "")],
    ["an empty path", changed(":path", "")],
    ["a path that is none", changed(":path", "chat")],
    ["a method with a blank", changed(":method", "CON NECT")],
    ["a scheme on a plain CONNECT", without(":path", ":protocol")],
    ["a path on a plain CONNECT", without(":scheme", ":protocol")],
    ["no authority on a plain CONNECT", [[":method", "CONNECT"]]],
    [":protocol on another method", changed(":method", "GET")],
    ["a pseudo-header twice", [...PSEUDO, [":path", "/"]]],
    ["an unknown pseudo-header", [...PSEUDO, [":version", "3"]]],
    [":status", [...PSEUDO, [":status", "200"]]],
    ["a pseudo-header behind a header", [["a", "b"], ...PSEUDO]],
    ["a host that differs", [...PSEUDO, ["host", "other.org"]]],
    ["two hosts", [...without(":authority"), ["host", "a"], ["host", "a"]]],
    ["upper case", [...PSEUDO, ["Origin", "x"]]],
    ["a name with a blank", [...PSEUDO, ["a b", "x"]]],
    ["an empty name", [...PSEUDO, ["", "x"]]],
    ["a line feed", [...PSEUDO, ["a", "x\ny: z"]]],
    ["a carriage return", [...PSEUDO, ["a", "x\ry"]]],
    ["a zero", [...PSEUDO, ["a", "x\0y"]]],
    ["a blank in front", [...PSEUDO, ["a", " x"]]],
    ["a blank behind", [...PSEUDO, ["a", "x\t"]]],
    ["a blank in the path", changed(":path", "/a\nb")],
    ["connection", [...PSEUDO, ["connection", "close"]]],
    ["keep-alive", [...PSEUDO, ["keep-alive", "1"]]],
    ["proxy-connection", [...PSEUDO, ["proxy-connection", "close"]]],
    ["transfer-encoding", [...PSEUDO, ["transfer-encoding", "chunked"]]],
    ["upgrade", [...PSEUDO, ["upgrade", "websocket"]]],
    ["te", [...PSEUDO, ["te", "gzip"]]],
  ])("is malformed with %s", (_what, fields) => {
    expect(codeOf(() => readRequestFields(fields))).toBe(ErrorCode.H3_MESSAGE_ERROR);
  });

  test("is in order or malformed, whatever its fields", () => {
    const name = fc.oneof(fc.constantFrom(...PSEUDO.map(([key]) => key), "host"), fc.string());
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string())), (fields) => {
        try {
          readRequestFields([...PSEUDO, ...fields]);
        } catch (error) {
          expect(error).toBeInstanceOf(Http3Error);
        }
      }),
    );
  });

  test("counts 32 bytes a field beside name and value", () => {
    expect(
      fieldSectionSize([
        ["ab", "cde"],
        ["", ""],
      ]),
    ).toBe(69);
  });
});

test("a value of many blanks is looked at in time that grows with its length alone", () => {
  expect(isFieldValid(["a", `x${" ".repeat(100_000)}`])).toBe(false);
});
