import { expect, test } from "bun:test";
import fc from "fast-check";
import { clientFrame, FrameReader, OPCODE } from "./frames.ts";

interface Seen {
  readonly opcode: number;
  readonly text: string;
}

function collect(): { readonly seen: Seen[]; readonly reader: FrameReader } {
  const seen: Seen[] = [];
  const reader = new FrameReader({
    frame: (opcode, buffer, start, end) => {
      seen.push({ opcode, text: buffer.toString("latin1", start, end) });
    },
  });
  return { seen, reader };
}

/** A server's frame, written from RFC 6455 section 5.2. */
function serverFrame(opcode: number, payload: string, first = 0x80 | opcode): Buffer {
  const body = Buffer.from(payload, "latin1");
  if (body.length < 126) return Buffer.concat([Buffer.from([first, body.length]), body]);
  if (body.length <= 0xffff) {
    const head = Buffer.from([first, 126, 0, 0]);
    head.writeUInt16BE(body.length, 2);
    return Buffer.concat([head, body]);
  }
  const head = Buffer.alloc(10);
  head.set([first, 127]);
  head.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([head, body]);
}

test("frames of every length form are read wherever the stream is cut", () => {
  const length = fc.oneof(
    fc.integer({ min: 0, max: 130 }),
    fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000),
  );
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2, 9), length), { maxLength: 6 });
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 20 }), (wanted, cuts) => {
      const stream = Buffer.concat(wanted.map(([op, size]) => serverFrame(op, "y".repeat(size))));
      const { seen, reader } = collect();
      const places = cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b);
      let from = 0;
      for (const to of [...places, stream.length]) {
        // The copy is overwritten afterwards, as a runtime's reused receive buffer would be.
        const chunk = Buffer.from(stream.subarray(from, to));
        reader.push(chunk);
        chunk.fill(0xff);
        from = to;
      }
      expect(seen).toEqual(wanted.map(([opcode, size]) => ({ opcode, text: "y".repeat(size) })));
    }),
    { seed: 7, numRuns: 200 },
  );
});

test("a fragmented frame is refused", () => {
  expect(() => collect().reader.push(serverFrame(1, "a", 0x01))).toThrow("fragmented");
  expect(() => collect().reader.push(serverFrame(0, "a"))).toThrow("fragmented");
});

test("a compressed frame is refused", () => {
  expect(() => collect().reader.push(serverFrame(1, "a", 0xc1))).toThrow("extension");
});

test("a masked frame is refused", () => {
  const masked = clientFrame(OPCODE.text, Buffer.from("a"));
  expect(() => collect().reader.push(masked)).toThrow("masked");
});

test("a client frame carries the mask bit, its length and its payload", () => {
  const short = clientFrame(OPCODE.text, Buffer.from("hi"));
  expect([...short]).toEqual([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
  const long = clientFrame(OPCODE.text, Buffer.alloc(200, 0x61));
  expect([...long.subarray(0, 4)]).toEqual([0x81, 0xfe, 0, 200]);
  expect(long.length).toBe(208);
  expect(() => clientFrame(OPCODE.text, Buffer.alloc(65_536))).toThrow("65535");
});
