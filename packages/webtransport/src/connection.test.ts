import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ErrorCode, type ErrorName } from "./http3/errors.ts";
import type { Field } from "./qpack/static-table.ts";
import { concatenate } from "./records.ts";
import type { WebTransportRequest } from "./request.ts";
import { hex, settle, text, utf8 } from "./testing/bytes.ts";
import {
  CONNECT_FIELDS,
  CONTROL,
  FakeClient,
  type FakeClientOptions,
  headersFrame,
} from "./testing/fake-client.ts";

/** The request of a browser with a field more, or another value of one. */
function withField(name: string, value: string): Field[] {
  const others = CONNECT_FIELDS.filter(([other]) => other !== name);
  return name.startsWith(":") ? [[name, value], ...others] : [...others, [name, value]];
}

/** The bytes of an answer without fields. */
function answer(status: string): Uint8Array<ArrayBuffer> {
  return headersFrame([[":status", status]]);
}

describe("a connection", () => {
  test("begins with the server's settings, before the client has said anything", async () => {
    const client = new FakeClient();
    await settle();
    const [control] = client.quic.openedUnidirectional;
    expect(control?.bytes.subarray(0, 2)).toEqual(hex("00 04"));
    expect(control?.isFinished).toBe(false);
  });

  test("makes a session of a request, however the bytes are cut up", async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.integer({ min: 1, max: 20 })), async (sizes) => {
        const chunkSize = () => sizes.next().value ?? 1;
        const client = new FakeClient({ chunkSize });
        const { stream, session } = await client.connect();
        expect(session.id).toBe(0);
        expect(stream.send.bytes).toEqual(
          headersFrame([
            [":status", "200"],
            ["sec-webtransport-http3-draft", "draft02"],
          ]),
        );
        expect(client.closeCode).toBeUndefined();
        expect(client.reports).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  test("shows a request with all of its headers", async () => {
    const client = new FakeClient();
    client.control();
    client.request([
      ...CONNECT_FIELDS,
      ["cookie", "a=1"],
      ["cookie", "b=2"],
      ["x", "1"],
      ["x", "2"],
    ]);
    await settle();
    const [request] = client.requests;
    expect(request?.authority).toBe("example.org");
    expect(request?.path).toBe("/chat?x=1");
    expect(request?.header("Origin")).toBe("https://example.org");
    expect(request?.header("cookie")).toBe("a=1; b=2");
    expect(request?.header("x")).toBe("1, 2");
    expect(request?.header("y")).toBeUndefined();
    expect(request?.headers).toHaveLength(6);
    expect(request?.remoteAddress).toEqual({ hostname: "192.0.2.1", port: 50_000 });
  });

  test("shows no request before the client's settings", async () => {
    const client = new FakeClient();
    client.request();
    await settle();
    expect(client.requests).toEqual([]);
    client.control();
    await settle();
    expect(client.sessions).toHaveLength(1);
  });

  test("that ends before the client's settings shows no request", async () => {
    const client = new FakeClient();
    client.request();
    await settle();
    client.quic.end();
    await settle();
    expect(client.requests).toEqual([]);
    expect(client.reports).toEqual([]);
  });

  test("reads nothing before the handshake is over", async () => {
    const client = new FakeClient({ isOpen: false });
    client.quic.unidirectional().send(hex("01"));
    await settle();
    expect(client.closeCode).toBeUndefined();
    expect(client.quic.openedUnidirectional).toEqual([]);
    client.quic.open();
    await settle();
    expect(client.closeCode).toBe(ErrorCode.H3_STREAM_CREATION_ERROR);
  });

  test("that asks for no session in time is closed", async () => {
    const client = new FakeClient();
    client.control();
    await settle();
    client.timers.advance(9_999);
    expect(client.closeCode).toBeUndefined();
    client.timers.advance(1);
    expect(client.closeCode).toBe(ErrorCode.H3_NO_ERROR);
    await settle();
    expect(client.hasEnded).toBe(true);
  });

  test("lets the application take its time to decide", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const client = new FakeClient({ handle: () => promise });
    client.control();
    client.request();
    await settle();
    client.timers.advance(60_000);
    expect(client.closeCode).toBeUndefined();
    expect(client.requests[0]?.accept()?.isOpen).toBe(true);
    resolve();
    await settle();
    expect(client.closeCode).toBeUndefined();
  });

  test("that ends leaves no timer, and an undecided request is abandoned", async () => {
    const client = new FakeClient({ handle: () => undefined });
    client.control();
    client.request();
    await settle();
    const [request] = client.requests;
    expect(request?.isAbandoned).toBe(false);
    client.quic.end();
    await settle();
    expect(client.hasEnded).toBe(true);
    expect(client.timers.pending).toBe(0);
    expect(request?.isAbandoned).toBe(true);
    expect(request?.accept()).toBeUndefined();
    expect(client.reports).toEqual([]);
    expect(client.counters.protocolErrors).toBe(0);
  });
});

describe("an answer", () => {
  async function rejected(handle: (request: WebTransportRequest) => void) {
    const client = new FakeClient({ handle });
    client.control();
    const stream = client.request();
    await settle();
    return { client, stream };
  }

  test("may be any status, after which the client may ask again", async () => {
    let answers = 0;
    const { client, stream } = await rejected((request) => {
      if (answers++ === 0) request.reject(403, [["retry-after", "5"]]);
      else request.accept();
    });
    expect(stream.send.bytes).toEqual(
      headersFrame([
        [":status", "403"],
        ["retry-after", "5"],
      ]),
    );
    expect(stream.send.isFinished).toBe(true);
    expect(stream.receive.isCancelled).toBe(true);
    expect(client.counters.requestsRefused).toBe(1);
    const second = client.request();
    await settle();
    expect(second.send.bytes.subarray(0, 5)).toEqual(hex("01 29 0000 d9"));
    expect(client.counters.sessions).toBe(1);
    client.timers.advance(60_000);
    expect(client.closeCode).toBeUndefined();
  });

  test("that refuses drops the streams that came for the session", async () => {
    const client = new FakeClient({ handle: (request) => request.reject(403) });
    const early = client.quic.unidirectional().send(hex("4054 00"));
    await settle();
    expect(early.isCancelled).toBe(false);
    client.control();
    client.request();
    await settle();
    expect(early.isCancelled).toBe(true);
  });

  test("that refuses ends the connection unless the client asks again soon", async () => {
    const { client } = await rejected((request) => request.reject(403));
    client.timers.advance(2_999);
    expect(client.closeCode).toBeUndefined();
    client.timers.advance(1);
    expect(client.closeCode).toBe(ErrorCode.H3_NO_ERROR);
  });

  test("of 500 is given where the application fails, which is reported", async () => {
    for (const handle of [
      () => Promise.reject(new Error("broken")),
      () => {
        throw new Error("broken");
      },
    ]) {
      const { client, stream } = await rejected(handle);
      expect(stream.send.bytes).toEqual(answer("500"));
      expect(client.reports).toEqual([new Error("broken")]);
      expect(client.closeCode).toBeUndefined();
    }
  });

  test("is given once, and only what may be sent", async () => {
    const client = new FakeClient({ handle: () => undefined });
    client.control();
    client.request();
    await settle();
    const [request] = client.requests;
    if (request === undefined) throw new Error("no request");
    for (const status of [200, 299, 600, 404.5]) {
      expect(() => request.reject(status)).toThrow(RangeError);
    }
    expect(() => request.accept([["a", "x\r\ny: z"]])).toThrow(TypeError);
    expect(() => request.accept([[":status", "201"]])).toThrow(TypeError);
    request.reject(404);
    expect(() => request.accept()).toThrow("answered already");
    expect(() => request.reject(404)).toThrow("answered already");
  });

  test.each<[what: string, fields: readonly Field[], answered: Uint8Array<ArrayBuffer>]>([
    [
      "a GET",
      [
        [":method", "GET"],
        [":scheme", "https"],
        [":authority", "a"],
        [":path", "/"],
      ],
      headersFrame([
        [":status", "405"],
        ["allow", "CONNECT"],
      ]),
    ],
    ["another protocol", withField(":protocol", "websocket"), answer("501")],
    [
      "a proxy",
      [
        [":method", "CONNECT"],
        [":authority", "a:1"],
      ],
      answer("501"),
    ],
    ["too many headers", withField("cookie", "a".repeat(16_100)), answer("431")],
  ])("is given without the application to %s", async (_what, fields, answered) => {
    const client = new FakeClient();
    client.control();
    const stream = client.request(fields);
    await settle();
    expect(stream.send.bytes).toEqual(answered);
    expect(stream.send.isFinished).toBe(true);
    expect(client.requests).toEqual([]);
    expect(client.closeCode).toBeUndefined();
  });

  test("of 429 is given to a second request beside the first", async () => {
    const client = new FakeClient();
    await client.connect();
    const second = client.request();
    await settle();
    expect(second.send.bytes).toEqual(answer("429"));
    expect(client.requests).toHaveLength(1);
  });
});

describe("streams of the connection", () => {
  test("that are unknown are not read, and those that end before their type are nothing", async () => {
    const client = new FakeClient();
    const unknown = client.quic.unidirectional().send(hex("21 01020304"));
    client.quic.unidirectional().finish();
    client.quic.unidirectional().send(hex("40")).finish();
    client.quic.unidirectional().send(hex("40")).reset();
    client.quic.bidirectional().receive.reset();
    await client.connect();
    expect(unknown.isCancelled).toBe(true);
    expect(client.closeCode).toBeUndefined();
  });

  test("for QPACK may be there", async () => {
    const client = new FakeClient();
    client.quic.unidirectional().send(hex("02 20"));
    client.quic.unidirectional().send(hex("03 44"));
    await client.connect();
    expect(client.closeCode).toBeUndefined();
  });

  type Attack = (client: FakeClient) => void;
  const streamOf =
    (digits: string): Attack =>
    (client) => {
      client.quic.unidirectional().send(hex(digits));
    };
  const requestOf =
    (...parts: readonly Uint8Array[]): Attack =>
    (client) => {
      client.control();
      client.quic
        .bidirectional()
        .receive.send(...parts)
        .finish();
    };

  test.each<[what: string, code: ErrorName, attack: Attack]>([
    ["a push stream", "H3_STREAM_CREATION_ERROR", streamOf("01")],
    [
      "a second control stream",
      "H3_STREAM_CREATION_ERROR",
      (client) => {
        client.control();
        client.control();
      },
    ],
    [
      "a second encoder stream",
      "H3_STREAM_CREATION_ERROR",
      (client) => {
        streamOf("02")(client);
        streamOf("02")(client);
      },
    ],
    [
      "a control stream that ends",
      "H3_CLOSED_CRITICAL_STREAM",
      (client) => client.control().finish(),
    ],
    [
      "a control stream that is broken off",
      "H3_CLOSED_CRITICAL_STREAM",
      (client) => {
        const control = client.control();
        setImmediate(() => control.reset());
      },
    ],
    [
      "a decoder stream that ends",
      "H3_CLOSED_CRITICAL_STREAM",
      (client) => client.quic.unidirectional().send(hex("03")).finish(),
    ],
    ["no settings", "H3_MISSING_SETTINGS", streamOf("00 07 01 00")],
    ["wrong settings", "H3_SETTINGS_ERROR", streamOf("00 04 02 0200")],
    ["an insert into the dynamic table", "QPACK_ENCODER_STREAM_ERROR", streamOf("02 c0 01 61")],
    ["an acknowledgement", "QPACK_DECODER_STREAM_ERROR", streamOf("03 80")],
    ["a session of a server's stream", "H3_ID_ERROR", streamOf("4054 01")],
    ["a session of a stream past 2^53", "H3_ID_ERROR", streamOf("4054 fffffffffffffffc")],
    ["a session of a stream of one direction", "H3_ID_ERROR", requestOf(hex("4041 02"))],
    ["DATA in front of headers", "H3_FRAME_UNEXPECTED", requestOf(hex("00 00"))],
    ["an empty request", "H3_REQUEST_INCOMPLETE", requestOf()],
    ["a request that is cut off", "H3_FRAME_ERROR", requestOf(hex("01 05 00"))],
    ["a dynamic reference", "QPACK_DECOMPRESSION_FAILED", requestOf(hex("01 03 0000 80"))],
    ["headers of 16 KB and more", "H3_EXCESSIVE_LOAD", requestOf(hex("01 80004001"))],
    ["a malformed request", "H3_MESSAGE_ERROR", requestOf(headersFrame(withField("Upper", "x")))],
    [
      "trailers on a session",
      "H3_FRAME_UNEXPECTED",
      requestOf(headersFrame(CONNECT_FIELDS), headersFrame([["a", "b"]])),
    ],
    [
      "capsules that end too soon",
      "H3_MESSAGE_ERROR",
      requestOf(headersFrame(CONNECT_FIELDS), hex("00 02 1705")),
    ],
    [
      "a datagram without an id",
      "H3_DATAGRAM_ERROR",
      (client) => setImmediate(() => client.quic.datagram(hex(""))),
    ],
    [
      "a datagram with half an id",
      "H3_DATAGRAM_ERROR",
      (client) => setImmediate(() => client.quic.datagram(hex("c0000000"))),
    ],
    [
      "a datagram with an id past 2^60",
      "H3_DATAGRAM_ERROR",
      (client) => setImmediate(() => client.quic.datagram(hex("d000000000000000 61"))),
    ],
  ])("close it when there is %s", async (_what, code, attack) => {
    const options: FakeClientOptions = { chunkSize: () => 3 };
    const client = new FakeClient(options);
    attack(client);
    await settle();
    await settle();
    expect(client.quic.closedWith?.reason).toStartWith(code);
    expect(client.closeCode).toBe(ErrorCode[code]);
    expect(client.reports).toEqual([]);
    expect(client.counters.protocolErrors).toBe(1);
    expect(client.hasEnded).toBe(true);
    expect(client.timers.pending).toBe(0);
  });

  test("close it when the server may open none", async () => {
    const client = new FakeClient();
    client.quic.allowedStreams = 0;
    await settle();
    expect(client.closeCode).toBe(ErrorCode.H3_STREAM_CREATION_ERROR);
  });

  test("of a session that is not yet open wait for it, up to a limit", async () => {
    const client = new FakeClient({ limits: { maxWaitingStreams: 2 } });
    const early = client.quic.unidirectional().send(hex("4054 00"), utf8("early")).finish();
    expect(early).toBeUndefined();
    const foreign = client.quic.unidirectional().send(hex("4054 04"), utf8("foreign"));
    await settle();
    const excess = client.quic.unidirectional().send(hex("4054 00"), utf8("excess"));
    await settle();
    expect(excess.isCancelled).toBe(true);
    expect(foreign.isCancelled).toBe(false);
    const { session } = await client.connect();
    expect(foreign.isCancelled).toBe(true);
    const texts: string[] = [];
    session.events = {
      unidirectionalStream: async (stream) => {
        const bytes = await stream.read(new Uint8Array(99));
        texts.push(typeof bytes === "string" ? bytes : text(bytes));
      },
    };
    await settle();
    expect(texts).toEqual(["early"]);
    expect(client.counters.streamsDropped).toBe(2);
  });
});

test("a client that sends its settings in one piece with unknown frames is understood", async () => {
  const client = new FakeClient();
  client.quic.unidirectional().send(concatenate([CONTROL, hex("21 02 ffff 5f 00")]));
  client.request();
  await settle();
  expect(client.sessions).toHaveLength(1);
});
