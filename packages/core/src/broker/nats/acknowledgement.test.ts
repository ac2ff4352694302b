import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Acknowledgement, acknowledgement } from "./acknowledgement.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** What JSON says of the parts that are read. */
function parsed(text: string): Acknowledgement {
  const { domain, seq, duplicate, error } = JSON.parse(text) as Acknowledgement;
  return { domain, seq, duplicate, error } as Acknowledgement;
}

function read(text: string): Acknowledgement {
  const { domain, seq, duplicate, error } = acknowledgement(bytesOf(text));
  return { domain, seq, duplicate, error } as Acknowledgement;
}

test("an answer of a server is read, whatever it says", () => {
  for (const text of [
    '{"stream":"starling+default", "seq":1}',
    '{"stream":"starling+default","seq":4711}',
    '{"stream":"starling+default", "domain":"leaf", "seq":4711}',
    '{"stream":"starling+default", "seq":4711,"duplicate": true}',
    '{"error":{"code":503,"description":"not enough"},"stream":"starling+default","seq":0}',
    '{"stream":"a", "seq":0}',
    '{"stream":"a", "seq":9007199254740991}',
    '{"stream":"a\\"b", "seq":3}',
    '{"stream":"a,\\"seq\\":5}", "seq":3}',
  ]) {
    expect(read(text)).toEqual(parsed(text));
  }
});

test("what is no JSON is refused", () => {
  for (const text of [
    "",
    "{",
    '{"stream":"a',
    '{"stream":"a"',
    '{"stream":"a", "seq":',
    '{"stream":"a", "seq":}',
    '{"stream":"a", "seq":01}',
    '{"stream":"a", "seq":12',
    '{"stream":"a", "seq":1x}',
    '{"stream":"a", "seq":12}}',
    '{"stream":"a" "seq":12}',
    '{"stream":"a\u0001", "seq":12}',
    '{"stream":"a\\","seq":5}',
  ]) {
    expect(() => acknowledgement(bytesOf(text))).toThrow(SyntaxError);
  }
});

test("any text is read as JSON reads it", () => {
  const name = fc.oneof(
    fc.stringMatching(/^[a-z+]{0,9}$/),
    fc.string().map((text) => JSON.stringify(text).slice(1, -1)),
  );
  const more = fc.constantFrom("", "", ',"duplicate":true', ', "domain":"d"', ',"seq":7', "}", " ");
  const space = fc.constantFrom("", " ", "  ");
  const number = fc.oneof(
    fc.maxSafeNat().map(String),
    fc.constantFrom("", "00", "1.5", "-1", "1e2"),
    fc.stringMatching(/^[1-9][0-9]{12,24}$/),
  );
  fc.assert(
    fc.property(name, more, space, space, number, more, (stream, between, a, b, seq, end) => {
      const text = `{"stream":"${stream}"${between},${a}"seq":${b}${seq}${end}}`;
      let expected: Acknowledgement | undefined;
      try {
        expected = parsed(text);
      } catch {
        expect(() => acknowledgement(bytesOf(text))).toThrow(SyntaxError);
      }
      if (expected !== undefined) expect(read(text)).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});

test("no cut of an answer is taken for one", () => {
  const text = '{"stream":"starling+default", "seq":4711}';
  for (let length = 0; length < text.length; length++) {
    expect(() => acknowledgement(bytesOf(text).subarray(0, length))).toThrow(SyntaxError);
  }
});
