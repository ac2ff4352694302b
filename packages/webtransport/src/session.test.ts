import { describe, expect, test } from "bun:test";
import { encodeClose, encodeDrain } from "./capsules.ts";
import { ErrorCode } from "./http3/errors.ts";
import { concatenate } from "./records.ts";
import type { SessionEnd } from "./session.ts";
import type { BidirectionalStream, ReceiveStream } from "./streams.ts";
import { hex, settle, text, utf8 } from "./testing/bytes.ts";
import { capsule, FakeClient, type FakeClientOptions } from "./testing/fake-client.ts";

/** An open session, with what it has told. */
async function connected(options?: FakeClientOptions) {
  const client = new FakeClient(options);
  const { session, stream } = await client.connect();
  const ends: SessionEnd[] = [];
  const datagrams: string[] = [];
  const bidirectional: BidirectionalStream[] = [];
  const unidirectional: ReceiveStream[] = [];
  let drained = 0;
  const before = stream.send.bytes.length;
  session.events = {
    datagram: (datagram) => datagrams.push(text(datagram)),
    bidirectionalStream: (opened) => bidirectional.push(opened),
    unidirectionalStream: (opened) => unidirectional.push(opened),
    draining: () => drained++,
    closed: (end) => ends.push(end),
  };
  return {
    client,
    session,
    stream,
    ends,
    datagrams,
    bidirectional,
    unidirectional,
    drained: () => drained,
    /** What the server has sent on the session's stream behind its answer. */
    sent: () => stream.send.bytes.subarray(before),
  };
}

async function readText(stream: ReceiveStream): Promise<string> {
  let all = "";
  let bytes = await stream.read(new Uint8Array(9));
  for (; typeof bytes !== "string"; bytes = await stream.read(new Uint8Array(9))) {
    all += text(bytes);
  }
  return `${all}|${bytes}`;
}

describe("a session's datagrams", () => {
  test("go both ways", async () => {
    const { client, session, datagrams } = await connected();
    client.quic.datagram(hex("00"), utf8("hello"));
    client.quic.datagram(hex("4000"), utf8("again"));
    client.quic.datagram(hex("00"));
    expect(datagrams).toEqual(["hello", "again", ""]);
    expect(session.sendDatagram(utf8("x"))).toBe("accepted");
    expect(client.quic.datagrams).toEqual([hex("00 78")]);
  });

  test("come as capsules too", async () => {
    const { stream, datagrams } = await connected();
    stream.receive.send(capsule(0, utf8("hello")));
    await settle();
    expect(datagrams).toEqual(["hello"]);
  });

  test("of other sessions are dropped and counted", async () => {
    const { client, datagrams } = await connected();
    client.quic.datagram(hex("01"), utf8("hello"));
    expect(datagrams).toEqual([]);
    expect(client.counters.datagramsDropped).toBe(1);
  });

  test("wait for the session, up to a limit, where they came before it", async () => {
    const client = new FakeClient();
    await settle();
    client.quic.datagram(hex("01"), utf8("of another"));
    for (let number = 0; number < 17; number++) client.quic.datagram(hex("00"), utf8(`${number}`));
    expect(client.counters.datagramsDropped).toBe(2);
    const { session } = await client.connect();
    const datagrams: string[] = [];
    session.events = { datagram: (datagram) => datagrams.push(text(datagram)) };
    client.quic.datagram(hex("00"), utf8("now"));
    expect(datagrams).toEqual([...Array.from({ length: 15 }, (_, number) => `${number}`), "now"]);
    expect(client.counters.datagramsDropped).toBe(3);
  });

  test("that came before one that is refused, or never asked for, are dropped", async () => {
    const refused = new FakeClient({ handle: (request) => request.reject(403) });
    const silent = new FakeClient();
    await settle();
    for (const { quic } of [refused, silent]) quic.datagram(hex("00"), utf8("early"));
    refused.control();
    refused.request();
    silent.timers.advance(10_000);
    await settle();
    expect(refused.counters.datagramsDropped).toBe(1);
    expect(silent.counters.datagramsDropped).toBe(1);
  });

  test("are not sent to a client whose settings do not allow it", async () => {
    const client = new FakeClient();
    client.quic.unidirectional().send(hex("00 0400"));
    client.request();
    await settle();
    expect(client.sessions[0]?.sendDatagram(utf8("x"))).toBe("refused");
    expect(client.quic.datagrams).toEqual([]);
  });
});

describe("a session's streams", () => {
  test("of both directions are told, with all that they carry", async () => {
    const { client, bidirectional, unidirectional } = await connected({ chunkSize: () => 2 });
    const both = client.quic.bidirectional();
    both.receive.send(hex("4041 00"), utf8("question")).finish();
    client.quic.unidirectional().send(hex("4054 00"), utf8("news")).finish();
    await settle();
    const [stream] = bidirectional;
    const [news] = unidirectional;
    if (stream === undefined || news === undefined) throw new Error("streams are missing");
    expect(await readText(stream.receive)).toBe("question|finished");
    expect(await readText(news)).toBe("news|finished");
    await stream.send.write(utf8("answer"));
    await stream.send.finish();
    expect(text(both.send.bytes)).toBe("answer");
    expect(both.send.isFinished).toBe(true);
  });

  test("are opened by the server, with the session's id in front", async () => {
    const { client, session } = await connected();
    const both = await session.createBidirectionalStream();
    await both?.send.write(utf8("a"));
    const one = await session.createUnidirectionalStream();
    await one?.write(utf8("b"));
    expect(client.quic.openedBidirectional[0]?.send.bytes).toEqual(hex("4041 00 61"));
    expect(client.quic.openedUnidirectional[1]?.bytes).toEqual(hex("4054 00 62"));
    client.quic.openedBidirectional[0]?.receive.send(utf8("c")).finish();
    expect(both && (await readText(both.receive))).toBe("c|finished");
  });

  test("are none where the client allows no more", async () => {
    const { client, session } = await connected();
    client.quic.allowedStreams = 0;
    expect(await session.createBidirectionalStream()).toBeUndefined();
    expect(await session.createUnidirectionalStream()).toBeUndefined();
  });

  test("are held while they are open, and let go when they have ended", async () => {
    const { client, session, unidirectional } = await connected();
    const source = client.quic.unidirectional().send(hex("4054 00"));
    await settle();
    const stream = await session.createUnidirectionalStream();
    expect(session.openStreams).toBe(2);
    await stream?.finish();
    expect(session.openStreams).toBe(1);
    source.finish();
    await unidirectional[0]?.read(new Uint8Array(1));
    expect(session.openStreams).toBe(0);
  });

  test("are web streams for whom no listener takes them", async () => {
    const client = new FakeClient();
    const { session } = await client.connect();
    const both = client.quic.bidirectional();
    both.receive.send(hex("4041 00"), utf8("question")).finish();
    const { value } = await session.incomingBidirectionalStreams.getReader().read();
    if (value === undefined) throw new Error("no stream");
    expect(await new Response(value.readable).text()).toBe("question");
    client.quic.unidirectional().send(hex("4054 00"), utf8("news")).finish();
    const { value: news } = await session.incomingUnidirectionalStreams.getReader().read();
    expect(news && (await new Response(news.readable).text())).toBe("news");
  });

  test("that nobody takes are refused past a limit", async () => {
    const client = new FakeClient({ limits: { maxWaitingStreams: 2 } });
    const { session } = await client.connect();
    const streams = Array.from({ length: 3 }, () => {
      const stream = client.quic.bidirectional();
      stream.receive.send(hex("4041 00"));
      return stream;
    });
    await settle();
    expect(streams.map(({ receive }) => receive.isCancelled)).toEqual([false, false, true]);
    expect(streams[2]?.send.isFinished).toBe(true);
    expect(session.openStreams).toBe(4);
    expect(client.counters.streamsDropped).toBe(1);
  });

  test("of other sessions are refused", async () => {
    const { client, bidirectional } = await connected();
    const stream = client.quic.bidirectional();
    stream.receive.send(hex("4041 08"));
    await settle();
    expect(stream.receive.isCancelled).toBe(true);
    expect(stream.send.isFinished).toBe(true);
    expect(bidirectional).toEqual([]);
  });
});

describe("the end of a session", () => {
  test("by the server tells code and reason, and the connection ends when the client has answered", async () => {
    const { client, session, stream, ends, sent } = await connected();
    session.close({ closeCode: 4711, reason: "bye" });
    session.close({ closeCode: 1, reason: "again" });
    expect(session.isOpen).toBe(false);
    await settle();
    expect(sent()).toEqual(encodeClose(4711, "bye"));
    expect(stream.send.isFinished).toBe(true);
    expect(client.closeCode).toBeUndefined();
    expect(ends).toEqual([]);
    client.timers.advance(2_999);
    stream.receive.finish();
    await settle();
    expect(ends).toEqual([{ closeCode: 4711, reason: "bye", isClean: true }]);
    // Chromium needs a moment to tell its page.
    client.timers.advance(249);
    expect(client.closeCode).toBeUndefined();
    client.timers.advance(1);
    await settle();
    expect(client.closeCode).toBe(ErrorCode.H3_NO_ERROR);
    expect(client.hasEnded).toBe(true);
    expect(client.timers.pending).toBe(0);
  });

  test("by the server waits for no client that does not answer", async () => {
    const { client, session, stream, ends } = await connected();
    session.close({ reason: "bye" });
    client.timers.advance(2_000);
    // What still comes must not give it more time.
    stream.receive.send(capsule(0x17, hex("00")));
    await settle();
    client.timers.advance(999);
    expect(client.closeCode).toBeUndefined();
    client.timers.advance(1);
    expect(client.closeCode).toBe(ErrorCode.H3_NO_ERROR);
    expect(ends).toEqual([{ closeCode: 0, reason: "bye", isClean: false }]);
  });

  test("by the client tells code and reason, and is answered", async () => {
    const { client, session, stream, ends } = await connected();
    const closed = session.closed;
    stream.receive.send(capsule(0x2843, concatenate([hex("00001267"), utf8("bye")])));
    await settle();
    const end = { closeCode: 4711, reason: "bye", isClean: true };
    expect(ends).toEqual([end]);
    expect(await closed).toEqual(end);
    expect(await session.closed).toEqual(end);
    expect(stream.send.isFinished).toBe(true);
    expect(client.closeCode).toBeUndefined();
    stream.receive.finish();
    await settle();
    expect(client.closeCode).toBe(ErrorCode.H3_NO_ERROR);
  });

  test("by the client that leaves its stream open ends the connection after a while", async () => {
    const { client, stream } = await connected();
    stream.receive.send(capsule(0x2843, hex("00000000")));
    await settle();
    client.timers.advance(3_000);
    expect(client.closeCode).toBe(ErrorCode.H3_NO_ERROR);
  });

  test("by the client without a word has code 0", async () => {
    const { client, stream, ends } = await connected();
    stream.receive.finish();
    await settle();
    expect(ends).toEqual([{ closeCode: 0, reason: "", isClean: true }]);
    expect(client.closeCode).toBe(ErrorCode.H3_NO_ERROR);
  });

  test.each<[what: string, attack: (test: Awaited<ReturnType<typeof connected>>) => void]>([
    ["the stream is broken off", ({ stream }) => stream.receive.reset()],
    ["the connection is lost", ({ client }) => client.quic.end(0, "timed out")],
    ["the client breaks the rules", ({ stream }) => stream.receive.send(hex("01 00"))],
  ])("is unclean when %s", async (_what, attack) => {
    const connection = await connected();
    attack(connection);
    await settle();
    expect(connection.ends).toEqual([{ closeCode: 0, reason: expect.any(String), isClean: false }]);
    expect(connection.client.hasEnded).toBe(true);
  });

  test("ends its streams and datagrams, both ways", async () => {
    const { client, session, unidirectional, datagrams } = await connected();
    const source = client.quic.unidirectional().send(hex("4054 00"));
    await settle();
    const reading = unidirectional[0]?.read(new Uint8Array(9));
    const sending = await session.createUnidirectionalStream();
    session.close();
    expect(await reading).toBe("reset");
    expect(source.isCancelled).toBe(true);
    expect(await sending?.write(utf8("x"))).toBe(false);
    expect(await session.createBidirectionalStream()).toBeUndefined();
    expect(await session.createUnidirectionalStream()).toBeUndefined();
    expect(session.sendDatagram(utf8("x"))).toBe("refused");
    client.quic.datagram(hex("00"), utf8("late"));
    expect(datagrams).toEqual([]);
    expect(session.openStreams).toBe(0);
    const late = client.quic.unidirectional().send(hex("4054 00"));
    await settle();
    expect(late.isCancelled).toBe(true);
    expect(session.openStreams).toBe(0);
  });

  test("comes between the opening of a stream and its coming", async () => {
    const { session } = await connected();
    const opening = session.createBidirectionalStream();
    session.close();
    const stream = await opening;
    expect(await stream?.send.write(utf8("x"))).toBe(false);
    expect(session.openStreams).toBe(0);
  });

  test("is told to whom asks late", async () => {
    const { client, session, stream } = await connected();
    stream.receive.finish();
    await settle();
    const ends: SessionEnd[] = [];
    session.events = { closed: (end) => ends.push(end) };
    expect(ends).toHaveLength(1);
    expect((await session.incomingBidirectionalStreams.getReader().read()).done).toBe(true);
    expect(client.reports).toEqual([]);
  });

  test("takes no code that is none", async () => {
    const { session } = await connected();
    for (const closeCode of [-1, 2 ** 32, 1.5, Number.NaN]) {
      expect(() => session.close({ closeCode })).toThrow(RangeError);
    }
    expect(session.isOpen).toBe(true);
  });
});

test("a session is drained by either side", async () => {
  const { session, stream, sent, drained } = await connected();
  const draining = session.draining;
  stream.receive.send(capsule(0x78ae, hex("")), capsule(0x78ae, hex("")));
  await draining;
  await session.draining;
  expect(drained()).toBe(1);
  session.drain();
  await settle();
  expect(sent()).toEqual(encodeDrain());
});

test("what a listener throws is reported and ends the connection, and nothing else", async () => {
  const client = new FakeClient();
  const { session } = await client.connect();
  const fail = () => {
    throw new Error("broken");
  };
  session.events = { datagram: fail, closed: fail };
  client.quic.datagram(hex("00"));
  await settle();
  expect(client.closeCode).toBe(ErrorCode.H3_INTERNAL_ERROR);
  expect(client.reports).toEqual([new Error("broken"), new Error("broken")]);
  expect(client.hasEnded).toBe(true);
});
