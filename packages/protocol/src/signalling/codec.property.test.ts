import { expect, test } from "bun:test";
import { encode as encodeByLibrary } from "@msgpack/msgpack";
import fc, { type Arbitrary } from "fast-check";
import { encode as encodeByAnother } from "notepack.io";
import { errorCatalogue } from "../errors.ts";
import { decodeServerSignal, decodeSignal, encodeSignal } from "./codec.ts";
import { defaultSignalLimits } from "./limits.ts";
import type { ClientSignal, ServerSignal, SnapshotMember } from "./messages.ts";

const limits = defaultSignalLimits;

// What signals are made of.
const name = fc.string({ unit: "grapheme", maxLength: 20 });
const channel = name.filter((text) => text !== "");
const safe = fc.oneof(fc.nat(300), fc.maxSafeNat());
const id = fc.oneof(fc.nat(300), fc.nat(0xffff_ffff));
const pl = fc.uint8Array({ maxLength: 300 });
const state: Arbitrary<Uint8Array> = fc
  .dictionary(
    name.filter((key) => key !== "__proto__"),
    fc.oneof(name, fc.double(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(name)),
    { maxKeys: 5 },
  )
  .map((value) => encodeByLibrary(value));
const members: Arbitrary<SnapshotMember> = fc.record(
  { p: name, pl, since: safe },
  { requiredKeys: ["p", "since"] },
);
const control = { t: fc.constant("control" as const) };
const about = { c: channel, p: name };
const position = { ep: name, off: safe };
const wanted = { ...position, last: id };
const always = ["t", "op", "c", "p"] as const;

const clientVersion1: Arbitrary<ClientSignal> = fc.oneof(
  fc.record(
    { ...control, ...about, op: fc.constantFrom("channel_join", "peer_state"), pl: state },
    { requiredKeys: [...always] },
  ),
  fc.record(
    { ...control, ...about, op: fc.constantFrom("peer_online", "peer_offline"), pl },
    { requiredKeys: [...always] },
  ),
  fc.record({ t: fc.constant("data"), ...about, pl }, { requiredKeys: ["t", "c", "p"] }),
);
const clientVersion2: Arbitrary<ClientSignal> = fc.oneof(
  fc.record(
    { ...control, ...about, op: fc.constant("channel_join"), pl: state, id, ...wanted },
    { requiredKeys: [...always] },
  ),
  fc.record(
    { ...control, ...about, op: fc.constant("peer_state"), pl: state, id },
    { requiredKeys: [...always] },
  ),
  fc.record(
    { ...control, ...about, op: fc.constantFrom("peer_online", "peer_offline"), pl, id },
    { requiredKeys: [...always] },
  ),
  fc.record({ t: fc.constant("data"), ...about, pl, id }, { requiredKeys: ["t", "c", "p"] }),
  fc.record(
    { ...control, op: fc.constant("subscribe"), c: channel, id, ...wanted },
    { requiredKeys: ["t", "op", "c"] },
  ),
  fc.record(
    { ...control, op: fc.constant("unsubscribe"), c: channel, id },
    { requiredKeys: ["t", "op", "c"] },
  ),
  fc.record({ ...control, op: fc.constant("ping"), id, ts: safe }, { requiredKeys: ["t", "op"] }),
  fc.record(
    { ...control, op: fc.constant("auth"), id, tk: channel },
    { requiredKeys: ["t", "op", "tk"] },
  ),
);
const peerOp = fc.constantFrom("channel_join", "peer_online", "peer_state", "peer_offline");
const server: Arbitrary<ServerSignal> = fc.oneof(
  fc.record({ ...control, ...about, op: peerOp, pl, mesh: name }, { requiredKeys: [...always] }),
  fc.record(
    { t: fc.constant("data"), ...about, pl, mesh: name, off: safe },
    { requiredKeys: ["t", "c", "p"] },
  ),
  fc.record(
    { ...control, op: fc.constant("ack"), id, c: name, ...position, rec: fc.boolean() },
    { requiredKeys: ["t", "op", "id"] },
  ),
  fc.record(
    { ...control, op: fc.constant("error"), id, c: name, code: id, msg: name },
    { requiredKeys: ["t", "op", "code", "msg"] },
  ),
  fc.record(
    {
      ...control,
      op: fc.constant("snapshot"),
      c: name,
      ms: fc.array(members, { maxLength: 20 }),
      more: fc.constant(true as const),
    },
    { requiredKeys: ["t", "op", "c", "ms"] },
  ),
  fc.record(
    { ...control, op: fc.constant("pong"), id, ts: safe },
    { requiredKeys: ["t", "op", "ts"] },
  ),
  fc.record({ ...control, op: fc.constant("notice"), code: id, msg: name, ts: safe }),
);
const anything = fc.oneof(clientVersion2, server);

/** Every way in which the bytes can be read, each of which must answer in an orderly way. */
function readAllWays(bytes: Uint8Array) {
  const results = [
    decodeSignal(bytes, limits, 1),
    decodeSignal(bytes, limits, 2),
    decodeServerSignal(bytes, limits),
  ];
  for (const result of results) {
    if (result.ok) continue;
    expect(errorCatalogue).toHaveProperty(result.error);
    expect(result.message).not.toBe("");
  }
  return results;
}

test("any bytes are a signal or a numbered error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      readAllWays(bytes);
    }),
    { numRuns: 5000 },
  );
});

test("any MessagePack value is a signal or a numbered error", () => {
  const keys = fc.constantFrom("t", "op", "c", "p", "pl", "id", "ts", "ms", "tk", "off", "x");
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>("control", "data", "ping", "peer_state", null, true, -1, 1.5),
      fc.uint8Array({ maxLength: 8 }),
      fc.date({ noInvalidDate: true }),
      fc.array(tie("any"), { maxLength: 4 }),
      fc.dictionary(keys, tie("any"), { maxKeys: 6 }),
    ),
  })).any;
  fc.assert(
    fc.property(fc.dictionary(keys, value, { maxKeys: 8 }), (message) => {
      readAllWays(encodeByLibrary(message));
    }),
    { numRuns: 5000 },
  );
});

test("a signal of a client comes back as it was, in either version", () => {
  fc.assert(
    fc.property(clientVersion1, (signal) => {
      expect(decodeSignal(encodeSignal(signal), limits, 1)).toEqual({ ok: true, signal });
      expect(decodeSignal(encodeSignal(signal), limits, 2)).toEqual({ ok: true, signal });
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(clientVersion2, (signal) => {
      expect(decodeSignal(encodeSignal(signal), limits, 2)).toEqual({ ok: true, signal });
    }),
    { numRuns: 3000 },
  );
});

test("a signal of a server comes back as it was", () => {
  fc.assert(
    fc.property(server, (signal) => {
      expect(decodeServerSignal(encodeSignal(signal), limits)).toEqual({ ok: true, signal });
    }),
    { numRuns: 3000 },
  );
});

test("however other writers put a signal, decoding and encoding makes it canonical", () => {
  const shuffled = clientVersion2.chain((signal) =>
    fc
      .tuple(
        fc.shuffledSubarray(Object.entries(signal), { minLength: Object.keys(signal).length }),
        fc.boolean(),
        fc.boolean(),
      )
      .map(([entries, another, extra]) => {
        const message = {
          ...(extra ? { zz: [1, { a: null }] } : {}),
          ...Object.fromEntries(entries),
        };
        const bytes: Uint8Array = another ? encodeByAnother(message) : encodeByLibrary(message);
        return { signal, bytes };
      }),
  );
  fc.assert(
    fc.property(shuffled, ({ signal, bytes }) => {
      const result = decodeSignal(bytes, limits, 2);
      expect(result.ok && encodeSignal(result.signal)).toEqual(encodeSignal(signal));
    }),
    { numRuns: 3000 },
  );
});

test("a changed, cut or lengthened message is a signal or a numbered error", () => {
  const mutation = fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.nat(3) });
  fc.assert(
    fc.property(
      anything,
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      (signal, mutations) => {
        let bytes = [...encodeSignal(signal)];
        for (const { at, byte, kind } of mutations) {
          const index = at % (bytes.length + 1);
          const after = kind === 0 ? bytes.slice(index) : bytes.slice(index + 1);
          if (kind === 3) bytes = bytes.slice(0, index);
          else bytes = [...bytes.slice(0, index), ...(kind === 1 ? [] : [byte]), ...after];
        }
        readAllWays(Uint8Array.from(bytes));
      },
    ),
    { numRuns: 5000 },
  );
});

test("no beginning of a message is a message", () => {
  fc.assert(
    fc.property(anything, fc.nat(), (signal, cut) => {
      const bytes = encodeSignal(signal);
      for (const result of readAllWays(bytes.subarray(0, cut % bytes.length))) {
        expect(result).toMatchObject({ ok: false, error: "malformed_signal" });
      }
    }),
    { numRuns: 2000 },
  );
});
