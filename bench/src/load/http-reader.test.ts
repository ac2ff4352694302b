import { expect, test } from "bun:test";
import fc from "fast-check";
import { type HttpAnswer, HttpReader } from "./http-reader.ts";

const written = ({ status, body }: HttpAnswer): string =>
  `HTTP/1.1 ${status} Whatever\r\nDate: now\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

test("answers are read wherever the stream is cut", () => {
  const answer = fc.record({
    status: fc.constantFrom(200, 400),
    body: fc
      .array(fc.constantFrom("a", "é", "\r\n\r\n", "Content-Length: 3"))
      .map((all) => all.join("")),
  });
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 5 }), fc.array(fc.nat()), (wanted, cuts) => {
      const stream = Buffer.from(wanted.map(written).join(""));
      const seen: HttpAnswer[] = [];
      const reader = new HttpReader((one) => seen.push(one));
      const places = cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b);
      let from = 0;
      for (const to of [...places, stream.length]) {
        // Overwritten afterwards, as a runtime's reused receive buffer would be.
        const chunk = Buffer.from(stream.subarray(from, to));
        reader.push(chunk);
        chunk.fill(0x0d);
        from = to;
      }
      expect(seen).toEqual(wanted);
    }),
    { seed: 5, numRuns: 200 },
  );
});

test("an answer that cannot be cut is an error", () => {
  const reader = new HttpReader(() => undefined);
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  expect(() => reader.push(Buffer.from(chunked))).toThrow("without a length");
  const other = new HttpReader(() => undefined);
  expect(() => other.push(Buffer.from("SSH-2.0\r\nContent-Length: 0\r\n\r\n"))).toThrow("SSH-2.0");
});
