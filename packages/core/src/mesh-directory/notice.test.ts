import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeNotice, encodeNotice, MAX_ADDRESSES, type NodeNotice } from "./notice.ts";

const notice: NodeNotice = {
  ...{ region: "eu", addresses: ["https://eu.example:8443"], connections: 7, load: 0.25 },
  ...{ draining: false, links: 3, linksUp: 2, lagMs: 4 },
};

test("what a node says of itself is read as it was written", () => {
  const count = fc.nat();
  const text = fc.string({ maxLength: 60 });
  const some = fc.record(
    {
      region: text,
      addresses: fc.array(text, { maxLength: MAX_ADDRESSES }),
      connections: count,
      load: fc.double({ min: 0, max: 1, noNaN: true }).map((load) => load + 0),
      draining: fc.boolean(),
      links: count,
      linksUp: count,
      lagMs: count,
    },
    { requiredKeys: ["addresses", "connections", "load", "draining", "links", "linksUp"] },
  );
  fc.assert(
    fc.property(some, (told) => {
      // JSON has no -0.
      expect(decodeNotice(encodeNotice(told))).toEqual(JSON.parse(JSON.stringify(told)));
    }),
  );
});

test("what is no notice is none, whatever it is", () => {
  for (const text of ["", "null", "7", "[]", "{", "{}", '"text"']) {
    expect(decodeNotice(text)).toBeUndefined();
  }
  const wrong: readonly object[] = [
    { connections: -1 },
    { connections: 1.5 },
    { connections: "1" },
    { load: null },
    { load: "0" },
    { draining: 1 },
    { links: undefined },
    { linksUp: null },
    { addresses: "https://eu.example" },
    { addresses: [7] },
    { addresses: ["x".repeat(201)] },
    { addresses: Array.from({ length: MAX_ADDRESSES + 1 }, () => "x") },
  ];
  for (const change of wrong) {
    expect(decodeNotice(JSON.stringify({ ...notice, ...change }))).toBeUndefined();
  }
  fc.assert(fc.property(fc.json(), (text) => void decodeNotice(text)));
});

test("what is not known of a notice is left out, and what may be absent may be wrong", () => {
  const told = { ...notice, secret: "x", region: "r".repeat(65), lagMs: -1, load: 7 };
  const { region: _, lagMs: __, ...rest } = notice;
  expect(decodeNotice(JSON.stringify(told))).toEqual({ ...rest, load: 1 });
});
