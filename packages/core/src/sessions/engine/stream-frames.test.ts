import { expect, test } from "bun:test";
import {
  createPacketDecoderStream,
  createPacketEncoderStream,
  type Packet,
  type RawData,
} from "engine.io-parser";
import fc from "fast-check";
import { FrameEncoder, FrameReader } from "./stream-frames.ts";

const MAX_PAYLOAD = 100_000;

/** The text of a packet, or the bytes of a binary message. */
type Message = string | Uint8Array;

const lengths = fc.constantFrom(1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537);
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  lengths.map((length) => "x".repeat(length - 1)),
  lengths.map((length) => "é".repeat(Math.floor(length / 2))),
);
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 300 }),
  lengths.map((length) => new Uint8Array(length).fill(7)),
);
const message: fc.Arbitrary<Message> = fc.oneof(
  text.map((content) => `4${content.toWellFormed()}`),
  bytes,
);

function join(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(chunks.flatMap((chunk) => [...chunk]));
}

/** Everything that a stream of the other implementation makes of what it is given. */
async function through<In, Out>(stream: TransformStream<In, Out>, given: In[]): Promise<Out[]> {
  const results: Out[] = [];
  const reading = (async () => {
    for await (const result of stream.readable) results.push(result);
  })();
  const writer = stream.writable.getWriter();
  for (const each of given) await writer.write(each);
  await writer.close();
  await reading;
  return results;
}

function toPacket(message: Message): Packet {
  return typeof message === "string"
    ? { type: "message", data: message.slice(1) }
    : { type: "message", data: message as unknown as RawData };
}

/** Reads `stream` in pieces of the given sizes, one after the other and over again. */
function readAll(stream: Uint8Array, sizes: readonly number[], most = MAX_PAYLOAD) {
  const messages: Message[] = [];
  const reader = new FrameReader(most, (message) => {
    messages.push(message);
    return true;
  });
  // Each piece is overwritten afterwards, as the memory of a read is.
  const piece = new Uint8Array(stream.length);
  let goesOn = true;
  for (let [at, turn] = [0, 0]; at < stream.length && goesOn; turn++) {
    const size = sizes[turn % sizes.length] ?? stream.length;
    const part = stream.subarray(at, at + size);
    piece.set(part);
    goesOn = reader.push(piece.subarray(0, part.length));
    piece.fill(0xff);
    at += part.length;
  }
  return { messages, goesOn, reader };
}

const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 5 });

test("what is written is read by the stock client's parser", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 5 }), async (messages) => {
      const encoder = new FrameEncoder();
      const frames = messages.map((each) => encoder.encode(each));
      const decoder: TransformStream<Uint8Array, Packet> = createPacketDecoderStream(
        1e9,
        "arraybuffer",
      );
      const packets = await through(decoder, frames);
      expect(packets.length).toBe(messages.length);
      for (const [index, each] of messages.entries()) {
        const packet = packets[index];
        const data: unknown = packet?.data;
        expect(packet?.type).toBe("message");
        if (typeof each === "string") expect(data ?? "").toBe(each.slice(1));
        else expect([...new Uint8Array(data as ArrayBuffer)]).toEqual([...each]);
      }
    }),
    { numRuns: 200 },
  );
});

test("what the stock client's parser writes is read, whatever pieces it comes in", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 5 }), sizes, async (messages, pieces) => {
      const stream = join(await through(createPacketEncoderStream(), messages.map(toPacket)));
      const read = readAll(stream, pieces);
      expect(read.messages).toEqual(messages);
      expect(read.goesOn).toBe(true);
      expect(read.reader.missing).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("any bytes at all are read to the end or refused, and never exceed the limit", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), sizes, (stream, pieces) => {
      const { messages } = readAll(stream, pieces, 200);
      for (const each of messages) expect(each.length).toBeLessThanOrEqual(200);
    }),
    { numRuns: 1_000 },
  );
});

test("a message is encoded once for all who get it", () => {
  const encoder = new FrameEncoder();
  const first = encoder.encode("4hello");
  expect(encoder.encode("4hello")).toBe(first);
  expect(encoder.encode("4other")).not.toBe(first);
  const data = new Uint8Array([1, 2, 3]);
  expect(encoder.encode(data)).toBe(encoder.encode(data));
  expect([...encoder.encode(data)]).toEqual([0x83, 1, 2, 3]);
});

test("text that is no UTF-16 is sent as what every runtime makes of it", () => {
  const frame = new FrameEncoder().encode("4\ud800x");
  expect(readAll(frame, [1]).messages).toEqual(["4\ufffdx"]);
});

test("a payload of the greatest length is read, and one that is longer is refused at its header", () => {
  const encoder = new FrameEncoder();
  for (const most of [5, 300, 70_000]) {
    expect(readAll(encoder.encode(`4${"x".repeat(most - 1)}`), [1_000], most).goesOn).toBe(true);
    const longer = encoder.encode(`4${"x".repeat(most)}`);
    const header = longer.subarray(0, longer.length - most - 1);
    expect(readAll(header, [1_000], most).goesOn).toBe(false);
  }
});

test("a length beyond all numbers is refused", () => {
  expect(readAll(new Uint8Array([127, ...Array(8).fill(0xff)]), [9]).goesOn).toBe(false);
  expect(readAll(new Uint8Array([127, 0x80, ...Array(7).fill(0)]), [1]).goesOn).toBe(false);
});

test("text without a type, and text that is no UTF-8, is refused", () => {
  expect(readAll(new Uint8Array([0, 1, 0x34]), [3])).toMatchObject({ goesOn: false, messages: [] });
  expect(readAll(new Uint8Array([2, 0x34, 0xff]), [3])).toMatchObject({
    goesOn: false,
    messages: [],
  });
});

test("an empty binary message is one", () => {
  const { messages, goesOn } = readAll(new Uint8Array([0x80, 1, 0x32]), [1]);
  expect(messages).toEqual([new Uint8Array(0), "2"]);
  expect(goesOn).toBe(true);
});

test("lengths may be longer than they need to be", () => {
  const stream = new Uint8Array([126, 0, 1, 0x32, 127, ...Array(7).fill(0), 1, 0x33]);
  expect(readAll(stream, [1]).messages).toEqual(["2", "3"]);
});

test("nothing is read behind the message that was the last", () => {
  const messages: Message[] = [];
  const reader = new FrameReader(MAX_PAYLOAD, (each) => messages.push(each) < 2);
  expect(reader.push(new Uint8Array([1, 0x31, 1, 0x32, 1, 0x33]))).toBe(false);
  expect(messages).toEqual(["1", "2"]);
});

test("a length alone reserves no memory", () => {
  const reader = new FrameReader(2 ** 50, () => true);
  const header = [127, 0, 3, 0, 0, 0, 0, 0, 0];
  expect(reader.push(new Uint8Array([...header, 0x34]))).toBe(true);
  expect(reader.missing).toBe(3 * 2 ** 48 - 1);
});
