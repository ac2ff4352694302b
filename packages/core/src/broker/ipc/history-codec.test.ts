import { expect, test } from "bun:test";
import fc from "fast-check";
import type { HistoryPage } from "../stream.ts";
import {
  readHistoryPage,
  readHistoryRequest,
  readStreams,
  writeHistoryPage,
  writeHistoryRequest,
  writeStreams,
} from "./history-codec.ts";
import { writePublication } from "./publication-codec.ts";
import { Reader } from "./reader.ts";
import { WireError } from "./wire-error.ts";
import { Writer } from "./writer.ts";

const offset = fc.maxSafeNat();
const position = fc.record({ epoch: fc.stringMatching(/^[\w-]{1,20}$/), offset });
const data = fc.string();

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer();
  write(writer);
  return writer.cut().slice();
}

const reading = (bytes: Uint8Array) => new Reader().reset(bytes, 0, bytes.length);

const page = fc.record({
  position,
  isComplete: fc.boolean(),
  hasMore: fc.boolean(),
  entries: fc.array(fc.record({ offset, time: offset, data }), { maxLength: 5 }),
});

type Page = typeof page extends fc.Arbitrary<infer Value> ? Value : never;

function writtenPage({ entries, ...more }: Page): Uint8Array {
  const held: HistoryPage<Uint8Array> = {
    ...more,
    entries: entries.map((entry) => ({
      offset: entry.offset,
      time: entry.time,
      content: written((writer) =>
        writePublication(writer, { app: "-", channel: "-", event: "e", data: entry.data }),
      ),
    })),
  };
  return written((writer) => writeHistoryPage(writer, held));
}

test("streams and requests are read as they were written", () => {
  const stream = fc.record({ channel: data, size: offset, ttlMs: offset });
  const request = fc.record({
    limit: offset,
    maxBytes: fc.option(fc.integer({ min: 1, max: 1_000_000 }), { nil: undefined }),
    newestFirst: fc.boolean(),
    since: fc.option(position, { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(stream), request, (streams, asked) => {
      const bytes = written((writer) => {
        writeStreams(writer, streams);
        writeHistoryRequest(writer, asked);
      });
      const reader = reading(bytes);
      expect(readStreams(reader)).toEqual(streams);
      expect(readHistoryRequest(reader)).toEqual(asked);
      expect(reader.at).toBe(bytes.length);
    }),
  );
});

test("a page is read as it was written, each publication with its channel and its place", () => {
  fc.assert(
    fc.property(page, (held) => {
      const reader = reading(writtenPage(held));
      const read = readHistoryPage(reader, "app", "channel");
      expect([read.position, read.isComplete, read.hasMore]).toEqual([
        held.position,
        held.isComplete,
        held.hasMore,
      ]);
      expect(
        read.entries.map((entry) => ({
          offset: entry.offset,
          time: entry.time,
          data: entry.content.data,
        })),
      ).toEqual(held.entries);
      for (const entry of read.entries) {
        expect(entry.content).toMatchObject({ app: "app", channel: "channel" });
        expect(entry.content.position).toEqual({
          epoch: held.position.epoch,
          offset: entry.offset,
        });
      }
    }),
  );
});

test("a time before 1970, or with a fraction, is near enough", () => {
  const held = { position: { epoch: "e", offset: 2 }, isComplete: true, hasMore: false };
  const bytes = writtenPage({
    ...held,
    entries: [
      { offset: 1, time: -5, data: "" },
      { offset: 2, time: 7.9, data: "" },
    ],
  });
  const { entries } = readHistoryPage(reading(bytes), "app", "channel");
  expect(entries.map(({ time }) => time)).toEqual([0, 7]);
});

test("bytes that are no page, request or streams are refused, and nothing else happens", () => {
  const refuses = (bytes: Uint8Array) => {
    const readers = [
      (reader: Reader) => readHistoryPage(reader, "app", "channel"),
      readHistoryRequest,
      readStreams,
    ];
    for (const read of readers) {
      try {
        read(reading(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), refuses));
  fc.assert(
    fc.property(page, fc.nat(), fc.nat(255), fc.nat(), (held, at, value, length) => {
      const bytes = writtenPage(held);
      bytes[at % bytes.length] = value;
      refuses(bytes);
      refuses(bytes.subarray(0, length % bytes.length));
    }),
  );
  const cut = writtenPage({
    position: { epoch: "e", offset: 1 },
    isComplete: true,
    hasMore: false,
    entries: [{ offset: 1, time: 1, data: "text" }],
  });
  for (let length = 0; length < cut.length; length++) {
    expect(() => readHistoryPage(reading(cut.subarray(0, length)), "a", "c")).toThrow(WireError);
  }
});
