import { expect, test } from "bun:test";
import fc from "fast-check";
import { FrameReader, LENGTH_BYTES, MAX_FRAME_BYTES, putFrameLength } from "./frames.ts";
import { WireError } from "./wire-error.ts";

function framed(content: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + content.length);
  putFrameLength(frame, content.length);
  frame.set(content, LENGTH_BYTES);
  return frame;
}

test("frames come out as they went in, whatever the chunks", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 })),
      fc.array(fc.integer({ min: 1, max: 400 })),
      (contents, cuts) => {
        const bytes = Uint8Array.from(contents.flatMap((content) => [...framed(content)]));
        const found: number[][] = [];
        const reader = new FrameReader((source, start, end) => {
          found.push([...source.subarray(start, end)]);
          return true;
        });
        let at = 0;
        for (const cut of cuts) {
          const chunk = bytes.slice(at, at + cut);
          at += cut;
          reader.push(chunk);
          // The chunk is not the reader's afterwards.
          chunk.fill(0xff);
        }
        reader.push(bytes.slice(at));
        expect(found).toEqual(contents.map((content) => [...content]));
      },
    ),
  );
});

test("nothing is taken any more once a frame has ended the reading", () => {
  let taken = 0;
  const reader = new FrameReader(() => {
    taken++;
    return false;
  });
  const two = [...framed(Uint8Array.of(1)), ...framed(Uint8Array.of(2))];
  reader.push(Uint8Array.from(two));
  expect(taken).toBe(1);
});

test("a frame of more than 64 MiB is refused before any of it is kept", () => {
  const reader = new FrameReader(() => true);
  const length = new Uint8Array(LENGTH_BYTES);
  putFrameLength(length, MAX_FRAME_BYTES + 1);
  expect(() => reader.push(length)).toThrow(WireError);
  const slow = new FrameReader(() => true);
  slow.push(length.subarray(0, 3));
  expect(() => slow.push(length.subarray(3))).toThrow(WireError);
});
