import { expect, test } from "bun:test";
import { decode } from "notepack.io";
import { encodeSignal } from "./codec.ts";
import type { ClientSignal, ServerSignal } from "./messages.ts";

const state = Uint8Array.from(Buffer.from("81a26964a3616461", "hex"));

/** Signals beside their bytes, written out by hand from the MessagePack specification. */
const golden: readonly [name: string, signal: ClientSignal | ServerSignal, hex: string][] = [
  [
    "the acknowledgement of a join",
    { t: "control", op: "channel_join", c: "room", p: "", mesh: "eu-1" },
    "85 a174 a7636f6e74726f6c a26f70 ac6368616e6e656c5f6a6f696e a163 a4726f6f6d a170 a0 a46d657368 a465752d31",
  ],
  [
    "a peer's state",
    { t: "control", op: "peer_state", c: "room", p: "ada", pl: state },
    "85 a174 a7636f6e74726f6c a26f70 aa706565725f7374617465 a163 a4726f6f6d a170 a3616461 a2706c c408 81a26964a3616461",
  ],
  [
    "a peer that leaves",
    { t: "control", op: "peer_offline", c: "room", p: "ada", mesh: "m" },
    "85 a174 a7636f6e74726f6c a26f70 ac706565725f6f66666c696e65 a163 a4726f6f6d a170 a3616461 a46d657368 a16d",
  ],
  [
    "data of a channel whose name is not ASCII",
    { t: "data", c: "ä€😀", p: "ada", pl: new Uint8Array([0, 255]) },
    "84 a174 a464617461 a163 a9c3a4e282acf09f9880 a170 a3616461 a2706c c402 00ff",
  ],
  [
    "an acknowledgement",
    { t: "control", op: "ack", id: 127, c: "room", ep: "e", off: 128, rec: true },
    "88 a174 a7636f6e74726f6c a26f70 a361636b a163 a4726f6f6d a170 a0 a26964 7f a26570 a165 a36f6666 cc80 a3726563 c3",
  ],
  [
    "an error",
    { t: "control", op: "error", id: 4_294_967_295, code: 129, msg: "no" },
    "86 a174 a7636f6e74726f6c a26f70 a56572726f72 a170 a0 a26964 ceffffffff a4636f6465 cc81 a36d7367 a26e6f",
  ],
  [
    "a snapshot",
    {
      t: "control",
      op: "snapshot",
      c: "room",
      ms: [
        { p: "ada", pl: state, since: 1_700_000_000_000 },
        { p: "eve", since: 0 },
      ],
      more: true,
    },
    "86 a174 a7636f6e74726f6c a26f70 a8736e617073686f74 a163 a4726f6f6d a170 a0 a26d73 92 83 a170 a3616461 a2706c c408 81a26964a3616461 a573696e6365 cf0000018bcfe56800 82 a170 a3657665 a573696e6365 00 a46d6f7265 c3",
  ],
  [
    "a pong",
    { t: "control", op: "pong", id: 256, ts: 65_536 },
    "85 a174 a7636f6e74726f6c a26f70 a4706f6e67 a170 a0 a26964 cd0100 a27473 ce00010000",
  ],
  [
    "a notice",
    { t: "control", op: "notice", code: 4000, msg: "bye", ts: 65_535 },
    "86 a174 a7636f6e74726f6c a26f70 a66e6f74696365 a170 a0 a4636f6465 cd0fa0 a36d7367 a3627965 a27473 cdffff",
  ],
  [
    "a request for data without presence",
    { t: "control", op: "subscribe", c: "room", id: 1 },
    "85 a174 a7636f6e74726f6c a26f70 a9737562736372696265 a163 a4726f6f6d a170 a0 a26964 01",
  ],
  [
    "a fresh token",
    { t: "control", op: "auth", id: 2, tk: "x".repeat(32) },
    `85 a174 a7636f6e74726f6c a26f70 a461757468 a170 a0 a26964 02 a2746b d920 ${"78".repeat(32)}`,
  ],
];

test.each(golden)("%s has exactly these bytes", (_name, signal, hex) => {
  expect(Buffer.from(encodeSignal(signal)).toString("hex")).toBe(hex.replaceAll(" ", ""));
});

test.each(golden)("%s is understood by another implementation of MessagePack", (_name, signal) => {
  const read: unknown = decode(Buffer.from(encodeSignal(signal)));
  expect(read).toEqual({ p: "", ...withBuffers(signal) });
});

test("lengths use the shortest head on both sides of every border", () => {
  const heads: readonly [length: number, binHead: string][] = [
    [0, "c400"],
    [255, "c4ff"],
    [256, "c50100"],
    [65_535, "c5ffff"],
    [65_536, "c600010000"],
  ];
  for (const [length, head] of heads) {
    const message = encodeSignal({ t: "data", c: "c", p: "", pl: new Uint8Array(length) });
    const hex = Buffer.from(message).toString("hex");
    expect(hex.slice(0, hex.length - 2 * length)).toEndWith(`a2706c${head}`);
  }
  const texts: readonly [length: number, strHead: string][] = [
    [31, "bf"],
    [32, "d920"],
    [255, "d9ff"],
    [256, "da0100"],
    [65_536, "db00010000"],
  ];
  for (const [length, head] of texts) {
    const message = encodeSignal({ t: "data", c: "c".repeat(length), p: "" });
    expect(Buffer.from(message).toString("hex")).toStartWith(`83a174a464617461a163${head}63`);
  }
  for (const [members, head] of [
    [15, "9f"],
    [16, "dc0010"],
    [65_536, "dd00010000"],
  ] as const) {
    const ms = Array.from({ length: members }, () => ({ p: "", since: 0 }));
    const message = encodeSignal({ t: "control", op: "snapshot", c: "c", ms });
    expect(Buffer.from(message).toString("hex")).toContain(`a26d73${head}82a170a0`);
  }
});

test("numbers use the shortest form on both sides of every border", () => {
  const forms: readonly [number: number, form: string][] = [
    [0, "00"],
    [127, "7f"],
    [128, "cc80"],
    [255, "ccff"],
    [256, "cd0100"],
    [65_535, "cdffff"],
    [65_536, "ce00010000"],
    [4_294_967_295, "ceffffffff"],
    [4_294_967_296, "cf0000000100000000"],
    [Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
  ];
  for (const [ts, form] of forms) {
    const message = encodeSignal({ t: "control", op: "pong", ts });
    expect(Buffer.from(message).toString("hex")).toEndWith(`a170a0a27473${form}`);
  }
});

test("a message is an array of its own, that a later one does not change", () => {
  const first = encodeSignal({ t: "data", c: "first", p: "" });
  const copy = first.slice();
  encodeSignal({ t: "data", c: "other", p: "other" });
  expect(first).toEqual(copy);
  expect(first.buffer.byteLength).toBe(first.length);
});

test("a lone surrogate is written as U+FFFD, so that strict readers accept the message", () => {
  const message = encodeSignal({ t: "data", c: "a\ud800", p: "" });
  expect(Buffer.from(message).toString("hex")).toBe("83a174a464617461a163a461efbfbda170a0");
});

/** The other implementation gives binaries as Buffers. */
function withBuffers(value: unknown): object {
  return Object.fromEntries(
    Object.entries(Object(value)).map(([key, member]) => {
      if (member instanceof Uint8Array) return [key, Buffer.from(member)];
      return [key, Array.isArray(member) ? member.map(withBuffers) : member];
    }),
  );
}
