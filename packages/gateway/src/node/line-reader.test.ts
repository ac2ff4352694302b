import { expect, test } from "bun:test";
import { LineReader } from "./line-reader.ts";

async function linesOf(chunks: readonly Uint8Array[]): Promise<string[]> {
  const lines: string[] = [];
  await new LineReader((line) => lines.push(line)).read(
    new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    }),
  );
  return lines;
}

test("lines come whole however the bytes were cut, the last one too", async () => {
  const bytes = new TextEncoder().encode("één\ntwo\n\nrest");
  const chunks = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
  const expected = ["één\n", "two\n", "\n", "rest\n"];
  expect(await linesOf(chunks)).toEqual(expected);
  expect(await linesOf([bytes])).toEqual(expected);
});

test("a line without an end is cut at a mebibyte", async () => {
  const chunk = new Uint8Array(700_000).fill(97);
  const lines = await linesOf([chunk, chunk, chunk]);
  expect(lines.map((line) => line.length)).toEqual([1_400_001, 700_001]);
});
