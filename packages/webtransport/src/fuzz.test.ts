/**
 * Whatever a client sends is either handled or answered by the end of the connection with a code.
 * `FUZZ_RUNS=100000 bun test packages/webtransport/src/fuzz.test.ts` looks for longer.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { ErrorCode } from "./http3/errors.ts";
import { encodeFrame, FrameType } from "./http3/frames.ts";
import { encodeFieldSection } from "./qpack/encoder.ts";
import { concatenate } from "./records.ts";
import type { WebTransportSession } from "./session.ts";
import { hex, settle, utf8 } from "./testing/bytes.ts";
import {
  CONNECT_FIELDS,
  CONTROL,
  capsule,
  FakeClient,
  headersFrame,
} from "./testing/fake-client.ts";
import { encodeVarint } from "./varint.ts";

setDefaultTimeout(600_000);

const { FUZZ_RUNS = "400" } = process.env;
const RUNS = Number(FUZZ_RUNS);
const CODES: ReadonlySet<number | undefined> = new Set(Object.values(ErrorCode));
const MAX_WAITING_STREAMS = 4;

const anyBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => concatenate([bytes]));
/** Numbers that mean something, those beside them, and all others. */
const anyVarint = fc.oneof(
  fc.integer({ min: 0, max: 70 }),
  fc.constantFrom(0x54, 0x2843, 0x78ae, 0x2b603742, 2 ** 30, 2 ** 53 - 1),
  fc.bigInt({ min: 0n, max: 2n ** 62n - 1n }),
);
const anyRecord = fc
  .tuple(anyVarint, anyBytes)
  .map(([type, value]) => concatenate([encodeVarint(type), encodeVarint(value.length), value]));
const anyFrame = fc
  .tuple(
    fc.constantFrom(...Object.values(FrameType)),
    fc.oneof(anyBytes, anyVarint.map(encodeVarint)),
  )
  .map(([type, payload]) => encodeFrame(type, payload));
const anyCapsule = fc
  .tuple(fc.constantFrom(0, 0x2843, 0x78ae, 0x17), anyBytes)
  .map(([type, value]) => capsule(type, value));
const anyFields = fc
  .array(fc.oneof(fc.constantFrom(...CONNECT_FIELDS), fc.tuple(fc.string(), fc.string())))
  .map((fields) => encodeFrame(FrameType.HEADERS, encodeFieldSection(fields)));
const validRequest = fc.constant(headersFrame(CONNECT_FIELDS));

const part = fc.oneof(anyBytes, anyRecord, anyFrame, anyCapsule, anyFields, validRequest);
const whole = fc.array(part, { maxLength: 6 }).map(concatenate);

/** Streams that are in order up to a few octets. */
const mutated = fc
  .tuple(
    fc.constantFrom(
      CONTROL,
      headersFrame(CONNECT_FIELDS),
      concatenate([
        headersFrame(CONNECT_FIELDS),
        capsule(0, utf8("a")),
        capsule(0x2843, hex("00000001")),
      ]),
      concatenate([hex("4041 00"), utf8("stream")]),
      concatenate([hex("4054 00"), utf8("stream")]),
      hex("02 20"),
      hex("03 44"),
    ),
    fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 3 }),
    fc.option(fc.nat(60), { nil: undefined }),
  )
  .map(([bytes, changes, length]) => {
    const changed = bytes.slice(0, length);
    for (const [at, octet] of changes) if (at < changed.length) changed[at] = octet;
    return changed;
  });

const typed = fc
  .tuple(fc.constantFrom(0, 1, 2, 3, 0x54, 0x21), whole)
  .map(([type, bytes]) => concatenate([encodeVarint(type), bytes]));

const step = fc.record({
  kind: fc.constantFrom("unidirectional", "bidirectional", "datagram", "turn"),
  bytes: fc.oneof(mutated, typed, whole),
  end: fc.constantFrom("open", "finished", "reset"),
});

const script = fc.record({
  chunkSize: fc.integer({ min: 1, max: 600 }),
  isConnected: fc.boolean(),
  application: fc.constantFrom("accepts", "rejects", "waits", "closes"),
  steps: fc.array(step, { maxLength: 12 }),
});

/** Reads everything that the session gets, as an application does. */
function listen(session: WebTransportSession): void {
  session.events = {
    datagram: (datagram) => void session.sendDatagram(datagram),
    bidirectionalStream: async ({ receive, send }) => {
      const bytes = await receive.read(new Uint8Array(16));
      if (typeof bytes !== "string") await send.write(bytes);
      await send.finish();
    },
  };
}

test(`a connection survives ${RUNS} clients that send anything`, async () => {
  let sessions = 0;
  const codes = new Set<number | undefined>();
  const property = fc.asyncProperty(
    script,
    async ({ chunkSize, isConnected, application, steps }) => {
      const client = new FakeClient({
        chunkSize: () => chunkSize,
        limits: { maxWaitingStreams: MAX_WAITING_STREAMS },
        handle: (request) => {
          if (application === "rejects") request.reject(403);
          if (application === "rejects" || application === "waits") return;
          const session = request.accept();
          if (session === undefined) return;
          sessions++;
          listen(session);
          if (application === "closes") session.close({ closeCode: 1 });
        },
      });
      await settle();
      if (isConnected) {
        client.control();
        client.request();
        await settle();
      }
      for (const { kind, bytes, end } of steps) {
        if (kind === "turn") await settle();
        else if (kind === "datagram") client.quic.datagram(bytes);
        else {
          const stream = client.quic[kind]();
          const source = "receive" in stream ? stream.receive : stream;
          source.send(bytes);
          if (end === "finished") source.finish();
          if (end === "reset") source.reset();
        }
      }
      await settle();
      const code = client.closeCode;
      codes.add(code);
      expect(client.reports).toEqual([]);
      expect(code === undefined || (CODES.has(code) && code !== ErrorCode.H3_INTERNAL_ERROR)).toBe(
        true,
      );
      client.quic.end();
      await settle();
      expect(client.hasEnded).toBe(true);
      expect(client.timers.pending).toBe(0);
    },
  );
  await fc.assert(property, { numRuns: RUNS });
  // The clients must get further than to the first check, or this says nothing.
  expect(sessions).toBeGreaterThan(RUNS / 10);
  expect(codes.size).toBeGreaterThan(8);
});
