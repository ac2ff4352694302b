import { expect, test } from "bun:test";
import { MsgHdrsImpl, MsgImpl, type Publisher } from "@nats-io/nats-core/internal";
import fc from "fast-check";
import { type StreamNumbers, streamNumbers } from "./stream-numbers.ts";

const encoder = new TextEncoder();
const publisher: Publisher = { publish() {} };

/** A message as the library makes it of what has arrived, between others. */
function arrived(lines: readonly string[] | undefined, body = "body"): MsgImpl {
  const text = lines === undefined ? "" : `NATS/1.0\r\n${lines.join("")}\r\n`;
  const header = encoder.encode(text);
  const around = encoder.encode(`HMSG ${text}${body}\r\nHMSG Nats-Sequence: 9\r\n`);
  const data = around.subarray(5, 5 + header.length + body.length);
  const subject = encoder.encode("subject");
  const hdr = lines === undefined ? -1 : header.length;
  return new MsgImpl({ subject, sid: 1, hdr, size: data.length }, data, publisher);
}

/** The same as the library understands it. */
function understood(message: MsgImpl): StreamNumbers | undefined {
  const offset = Number(message.headers?.last("Nats-Sequence"));
  const previous = Number(message.headers?.last("Nats-Last-Sequence") || 0);
  return Number.isSafeInteger(offset) && offset > 0 ? { offset, previous } : undefined;
}

test("the numbers are read that a server writes behind the headers of a publisher", () => {
  const message = arrived([
    "Nats-Msg-Id: a.1\r\n",
    "Nats-Stream: starling+default\r\n",
    "Nats-Subject: starling.kept.a\r\n",
    "Nats-Sequence: 1234\r\n",
    "Nats-Last-Sequence: 0\r\n",
  ]);
  expect(streamNumbers(message)).toEqual({ offset: 1234, previous: 0 });
});

test("what a publisher says in headers of the same names does not count", () => {
  const message = arrived([
    "Nats-Sequence: 99\r\n",
    "Nats-Last-Sequence: 98\r\n",
    "Nats-Sequence: 12\r\n",
    "Nats-Last-Sequence: 7\r\n",
  ]);
  expect(streamNumbers(message)).toEqual({ offset: 12, previous: 7 });
});

test("a message without headers, or with others, is of no stream, whatever its body says", () => {
  expect(streamNumbers(arrived(undefined, "Nats-Sequence: 5\r\n"))).toBeUndefined();
  expect(streamNumbers(arrived(undefined, "\r\nNats-Sequence: 5\r\n"))).toBeUndefined();
  expect(streamNumbers(arrived([], "Nats-Sequence: 5\r\n"))).toBeUndefined();
  expect(streamNumbers(arrived(["Event: a\r\n"]))).toBeUndefined();
});

test("a number that cannot be exact is none", () => {
  const previous = "Nats-Last-Sequence: 0\r\n";
  expect(streamNumbers(arrived(["Nats-Sequence: 9007199254740993\r\n", previous]))).toBeUndefined();
});

test("a message that is not of the library's class is read, too", () => {
  const headers = MsgHdrsImpl.fromRecord({ "Nats-Sequence": ["5"], "Nats-Last-Sequence": ["3"] });
  expect(streamNumbers({ headers })).toEqual({ offset: 5, previous: 3 });
});

test("whatever stands in the headers is read as the library understands it", () => {
  const name = fc.constantFrom("Nats-Sequence", "Nats-Last-Sequence", "nats-sequence", "Nats-Se");
  const number = fc.oneof(
    fc.nat().map(String),
    fc.maxSafeNat().map(String),
    fc.constantFrom("", "0", "007", "1e3", "-4", "+4", "1.5", "0x10", " 8 ", "9007199254740993"),
    fc.stringMatching(/^[0-9 a-]{0,20}$/),
    fc.stringMatching(/^[1-9][0-9]{12,24}$/),
  );
  const separator = fc.constantFrom(": ", ":", ":  ");
  const line = fc.tuple(name, separator, number).map(([key, colon, value]) => key + colon + value);
  const other = fc.stringMatching(/^[A-Za-z]{1,9}: [ -~]{0,30}$/);
  const lines = fc.array(fc.oneof(line, other), { maxLength: 8 });
  fc.assert(
    fc.property(lines, fc.stringMatching(/^[ -~\r\n]{0,30}$/), (all, body) => {
      const ended = all.map((each) => `${each}\r\n`);
      expect(streamNumbers(arrived(ended, body))).toEqual(understood(arrived(ended, body)));
    }),
    { numRuns: 2_000 },
  );
});
