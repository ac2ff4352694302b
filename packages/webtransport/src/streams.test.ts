import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { OpenStreams, ReceiveStream, SendStream } from "./streams.ts";
import { settle, text, utf8 } from "./testing/bytes.ts";
import { FakeSink, FakeSource } from "./testing/fake-quic.ts";

function receiving(early?: Uint8Array) {
  const open = new OpenStreams();
  const source = new FakeSource(8, () => 65_536);
  return { open, source, stream: new ReceiveStream(source, early, open) };
}

function sending() {
  const open = new OpenStreams();
  const sink = new FakeSink(9);
  return { open, sink, stream: new SendStream(sink, open) };
}

describe("a receiving side", () => {
  test("gives what came early and the rest, whatever the size of the reads", async () => {
    const size = fc.integer({ min: 1, max: 9 });
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), size, async (early, rest, length) => {
        const { open, source, stream } = receiving(utf8(early));
        source.send(utf8(rest)).finish();
        const octets: number[] = [];
        let bytes = await stream.read(new Uint8Array(length));
        for (; typeof bytes !== "string"; bytes = await stream.read(new Uint8Array(length))) {
          expect(bytes.length).toBeWithin(1, length + 1);
          octets.push(...bytes);
        }
        expect(text(Uint8Array.from(octets))).toBe(early + rest);
        expect(bytes).toBe("finished");
        expect(open.size).toBe(0);
      }),
    );
  });

  test("tells a stream that was broken off from one that ended, again and again", async () => {
    const { open, source, stream } = receiving();
    source.reset();
    expect(await stream.read(new Uint8Array(9))).toBe("reset");
    expect(await stream.read(new Uint8Array(9))).toBe("reset");
    expect(open.size).toBe(0);
  });

  test("that is cancelled ends the read that is under way, and tells the client", async () => {
    const { open, source, stream } = receiving(utf8("early"));
    await stream.read(new Uint8Array(9));
    const reading = stream.read(new Uint8Array(9));
    stream.cancel();
    expect(await reading).toBe("reset");
    expect(source.isCancelled).toBe(true);
    expect(open.size).toBe(0);
  });

  test("is a web stream of bytes, with both kinds of readers", async () => {
    const plain = receiving(utf8("he"));
    plain.source.send(utf8("llo")).finish();
    expect(await new Response(plain.stream.readable).text()).toBe("hello");
    const byob = receiving();
    byob.source.send(utf8("hello")).finish();
    const reader = byob.stream.readable.getReader({ mode: "byob" });
    const first = await reader.read(new Uint8Array(3));
    expect(text(first.value ?? utf8("?"))).toBe("hel");
    const second = await reader.read(new Uint8Array(3));
    expect(text(second.value ?? utf8("?"))).toBe("lo");
    expect((await reader.read(new Uint8Array(3))).done).toBe(true);
  });

  test("that was broken off is an error of the web stream", async () => {
    const { source, stream } = receiving();
    const reading = stream.readable.getReader().read();
    source.reset();
    expect(await reading.catch(String)).toBe("Error: the stream was broken off");
  });

  test("is cancelled by its web stream", async () => {
    const { source, stream } = receiving();
    await stream.readable.cancel();
    expect(source.isCancelled).toBe(true);
  });
});

describe("a sending side", () => {
  test("writes and ends, and takes no more", async () => {
    const { open, sink, stream } = sending();
    expect(await stream.write(utf8("a"))).toBe(true);
    expect(await stream.write(utf8("b"))).toBe(true);
    await stream.finish();
    expect(await stream.write(utf8("c"))).toBe(false);
    expect(text(sink.bytes)).toBe("ab");
    expect(sink.isFinished).toBe(true);
    expect(open.size).toBe(0);
  });

  test("that the client does not want says so and is let go", async () => {
    const { open, sink, stream } = sending();
    sink.isStopped = true;
    expect(await stream.write(utf8("a"))).toBe(false);
    expect(open.size).toBe(0);
  });

  test("is a web stream", async () => {
    const { sink, stream } = sending();
    const writer = stream.writable.getWriter();
    await writer.write(utf8("a"));
    await writer.close();
    expect(text(sink.bytes)).toBe("a");
    expect(sink.isFinished).toBe(true);
  });

  test("that the client does not want is an error of the web stream", async () => {
    const { sink, stream } = sending();
    sink.isStopped = true;
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => undefined);
    expect(await writer.write(utf8("a")).catch(String)).toBe("Error: the stream takes no more");
  });

  test("is over with its session", async () => {
    const { open, sink, stream } = sending();
    open.abandon();
    expect(await stream.write(utf8("a"))).toBe(false);
    await settle();
    expect(text(sink.bytes)).toBe("");
    expect(open.size).toBe(0);
  });
});
