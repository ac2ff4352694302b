import { describe, expect, test } from "bun:test";
import { decodeServerSignal, decodeSignal } from "./codec.ts";
import { defaultSignalLimits, signalLimits } from "./limits.ts";
import type { SignalVersion } from "./messages.ts";

const limits = defaultSignalLimits;

/** Hexadecimal digits with quoted texts between them: `84 a1 "t"` is 84 a1 74. */
function bytes(...parts: readonly string[]): Uint8Array {
  const hex = parts
    .join(" ")
    .replaceAll(/"([^"]*)"/g, (_, text: string) => Buffer.from(text).toString("hex"))
    .replaceAll(/\s/g, "");
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

const control = 'a1 "t" a7 "control"';
const data = 'a1 "t" a4 "data"';
const room = 'a1 "c" a4 "room"';
const join = 'a2 "op" ac "channel_join"';
const peerState = 'a2 "op" aa "peer_state"';
const ada = '81 a2 "id" a3 "ada"';
const adaPayload = `a2 "pl" c4 08 ${ada}`;

function decoded(message: Uint8Array, version: SignalVersion = 1) {
  const result = decodeSignal(message, limits, version);
  if (!result.ok) throw new Error(`${result.error}: ${result.message}`);
  return result.signal;
}

function refused(message: Uint8Array, version: SignalVersion = 1): string {
  const result = decodeSignal(message, limits, version);
  return result.ok ? "nothing" : result.error;
}

describe("what the published client sends is understood", () => {
  test("a join with its state", () => {
    expect(decoded(bytes("84", control, join, room, adaPayload))).toEqual({
      t: "control",
      op: "channel_join",
      c: "room",
      p: "",
      pl: bytes(ada),
    });
  });

  test("peer_online and peer_offline, which have no payload", () => {
    for (const op of ["peer_online", "peer_offline"]) {
      const length = (0xa0 + op.length).toString(16);
      expect(decoded(bytes("83", control, `a2 "op" ${length} "${op}"`, room))).toMatchObject({
        op,
        c: "room",
        p: "",
      });
    }
  });

  test("a state, and a state that renames", () => {
    expect(decoded(bytes("84", control, peerState, room, adaPayload))).toMatchObject({ p: "" });
    const renaming = bytes("85", control, peerState, room, 'a1 "p" a3 "eve"', adaPayload);
    expect(decoded(renaming)).toMatchObject({ op: "peer_state", p: "eve", pl: bytes(ada) });
  });

  test("an event", () => {
    const event = '82 a5 "event" a2 "hi" a4 "data" a1 "1"';
    const message = bytes("83", data, room, "a2 'pl'".replaceAll("'", '"'), "c4 11", event);
    expect(decoded(message)).toEqual({ t: "data", c: "room", p: "", pl: bytes(event) });
  });
});

describe("other writers are tolerated", () => {
  test("keys in any order, the payload as str, absent members as nil", () => {
    const message = bytes("86", `a2 "pl" a8 ${ada}`, 'a1 "p" c0', room, join, control, 'a1 "x" 07');
    expect(decoded(message)).toEqual({
      t: "control",
      op: "channel_join",
      c: "room",
      p: "",
      pl: bytes(ada),
    });
  });

  test("the longest heads for short values", () => {
    const message = bytes(
      "df 00000004",
      'db 00000001 "t" da 0007 "control"',
      'd9 02 "op" d9 0a "peer_state"',
      room,
      `a2 "pl" c6 00000008 ${ada}`,
    );
    expect(decoded(message)).toMatchObject({ op: "peer_state", pl: bytes(ada) });
  });

  test("a payload that came as str is passed on untouched when it is not UTF-8", () => {
    expect(decoded(bytes("83", data, room, 'a2 "pl" a2 ff fe'))).toMatchObject({
      pl: bytes("fffe"),
    });
  });

  test("keys it does not know, whatever they hold, among them those inside the back end", () => {
    const extra = [
      'a3 "sid" 01',
      'a3 "app" 93 01 c0 81 a1 "k" ca 3f800000',
      'a1 "z" d6 ff 00000000',
    ];
    expect(decoded(bytes("85", data, room, ...extra))).toEqual({ t: "data", c: "room", p: "" });
  });

  test("an op on data, which has none", () => {
    expect(decoded(bytes("83", data, 'a2 "op" a0', room))).toEqual({ t: "data", c: "room", p: "" });
  });

  test("a request number and a time as float or as a wide integer", () => {
    const ping = 'a2 "op" a4 "ping"';
    const float = bytes(
      "84",
      control,
      ping,
      'a2 "id" cb 401c000000000000',
      'a2 "ts" cf 0000018bcfe56800',
    );
    expect(decoded(float, 2)).toEqual({ t: "control", op: "ping", id: 7, ts: 1_700_000_000_000 });
    const negativeZero = bytes("83", control, ping, 'a2 "id" cb 8000000000000000');
    expect(decoded(negativeZero, 2)).toEqual({ t: "control", op: "ping", id: 0 });
  });
});

describe("version 1 knows nothing of version 2", () => {
  test("its ops are unknown", () => {
    const subscribe = bytes("83", control, 'a2 "op" a9 "subscribe"', room);
    expect(refused(subscribe)).toBe("unknown_signal");
    expect(decoded(subscribe, 2)).toEqual({ t: "control", op: "subscribe", c: "room" });
  });

  test("its members mean nothing, even with a wrong type", () => {
    const message = bytes("83", data, room, 'a2 "id" a1 "x"');
    expect(decoded(message)).toEqual({ t: "data", c: "room", p: "" });
    expect(refused(message, 2)).toBe("invalid_signal");
  });
});

describe("malformed_signal", () => {
  test.each([
    ["no bytes", ""],
    ["nil", "c0"],
    ["an array", "91 c0"],
    ["a str", 'a1 "t"'],
    ["the unused byte c1", "c1"],
    ["the unused byte c1 as a value", `82 ${room} a1 "x" c1`],
    ["a map that ends early", `83 ${data} ${room}`],
    ["a str that ends early", `82 ${data} a1 "c" a5 "room"`],
    ["bytes behind the message", `82 ${data} ${room} 00`],
    ["a second message behind the first", `82 ${data} ${room} 82 ${data} ${room}`],
    ["a number as key", `83 ${data} ${room} 01 02`],
    ["a bin as key", `83 ${data} ${room} c4 01 70 02`],
    ["nil as key", `83 ${data} ${room} c0 02`],
    ["the key __proto__", `83 ${data} ${room} a9 "__proto__" 80`],
    ["the key __proto__ further in", `83 ${data} ${room} a1 "x" 81 a9 "__proto__" 80`],
    ["text that is not UTF-8", `82 ${data} a1 "c" a1 ff`],
    ["a timestamp of the wrong size", `83 ${data} ${room} a1 "x" d4 ff 00`],
  ])("%s", (_what, hex) => {
    expect(refused(bytes(hex))).toBe("malformed_signal");
    expect(refused(bytes(hex), 2)).toBe("malformed_signal");
  });

  test.each([
    ["map", "df ffffffff"],
    ["array", "dd ffffffff"],
    ["bin", "c6 ffffffff"],
    ["str", "db ffffffff"],
    ["extension", "c9 ffffffff 05"],
  ])(
    "a %s that announces four gigabytes, as the message, a known and an unknown value",
    (_k, head) => {
      expect(refused(bytes(head))).toBe("malformed_signal");
      expect(refused(bytes("83", data, 'a2 "pl"', head))).toBe("malformed_signal");
      expect(refused(bytes("83", data, 'a1 "x"', head))).toBe("malformed_signal");
    },
  );
});

describe("the other errors", () => {
  test.each([
    ["unknown_signal", "t is missing", `81 ${room}`],
    ["unknown_signal", "t is unknown", `82 a1 "t" a5 "other" ${room}`],
    ["unknown_signal", "op is missing", `82 ${control} ${room}`],
    ["unknown_signal", "op is unknown", `83 ${control} a2 "op" a4 "peer" ${room}`],
    ["unknown_signal", "an op is a server's alone", `83 ${control} a2 "op" a3 "ack" ${room}`],
    ["invalid_signal", "c is missing", `81 ${data}`],
    ["invalid_signal", "c is empty", `82 ${data} a1 "c" a0`],
    ["invalid_signal", "c is nil", `82 ${data} a1 "c" c0`],
    ["invalid_signal", "c is a number", `82 ${data} a1 "c" 01`],
    ["invalid_signal", "c is a bin", `82 ${data} a1 "c" c4 01 61`],
    ["invalid_signal", "t is a map", `82 a1 "t" 81 a1 "t" 01 ${room}`],
    ["invalid_signal", "p is an extension", `83 ${data} ${room} a1 "p" d4 01 00`],
    ["invalid_signal", "pl is a map", `83 ${data} ${room} a2 "pl" ${ada}`],
    ["invalid_signal", "c appears twice", `83 ${data} ${room} ${room}`],
    ["invalid_state", "a state is no map", `84 ${control} ${peerState} ${room} a2 "pl" c4 01 05`],
    ["invalid_state", "a state is cut off", `84 ${control} ${join} ${room} a2 "pl" c4 03 81 a2 69`],
    ["invalid_state", "bytes follow a state", `84 ${control} ${join} ${room} a2 "pl" c4 02 80 80`],
    ["invalid_state", "a state is empty", `84 ${control} ${join} ${room} a2 "pl" c4 00`],
  ])("%s when %s", (error, _when, hex) => {
    expect(refused(bytes(hex))).toBe(error);
    expect(refused(bytes(hex), 2)).toBe(error);
  });

  test.each([
    ["a request number below zero", 'a2 "id" ff'],
    ["a request number beyond 32 bits", 'a2 "id" cf 0000000100000000'],
    ["a request number with a fraction", 'a2 "id" cb 3ff8000000000000'],
    ["a time that is not a number", 'a2 "ts" cb 7ff8000000000000'],
    ["an offset that no number holds exactly", 'a3 "off" cf 0020000000000000'],
  ])("invalid_signal for %s", (_what, member) => {
    expect(refused(bytes("83", data, room, member), 2)).toBe("invalid_signal");
  });

  test("a fault of form goes before what was wrong in front of it", () => {
    expect(refused(bytes("83", data, 'a1 "c" 01', 'a1 "x" c1'))).toBe("malformed_signal");
  });

  test("auth without its token", () => {
    expect(refused(bytes("82", control, 'a2 "op" a4 "auth"'), 2)).toBe("invalid_signal");
  });

  test("a refusal repeats the request number and the channel, wherever they stand", () => {
    const message = bytes("84", data, 'a1 "p" 01', 'a2 "id" cd 0400', room);
    expect(decodeSignal(message, limits, 2)).toEqual({
      ok: false,
      error: "invalid_signal",
      message: "p must be a str",
      id: 1024,
      c: "room",
    });
  });
});

describe("limits", () => {
  const str16 = (text: string) =>
    `da ${Buffer.byteLength(text).toString(16).padStart(4, "0")} "${text}"`;
  const bin32 = (length: number) =>
    `c6 ${length.toString(16).padStart(8, "0")} ${"00".repeat(length)}`;

  test("a channel may have 255 characters of any width, and no more", () => {
    const longest = "€".repeat(255);
    expect(decoded(bytes("82", data, `a1 "c" ${str16(longest)}`))).toMatchObject({ c: longest });
    for (const text of ["a".repeat(256), "€".repeat(256), "a".repeat(60_000)]) {
      expect(refused(bytes("82", data, `a1 "c" ${str16(text)}`))).toBe("field_too_long");
    }
  });

  test("a payload may have exactly as many bytes as configured", () => {
    const small = signalLimits(100);
    const message = (length: number) => bytes("83", data, room, `a2 "pl" ${bin32(length)}`);
    expect(decodeSignal(message(100), small)).toMatchObject({ ok: true });
    expect(decodeSignal(message(101), small)).toMatchObject({ error: "payload_too_large" });
  });

  test("a state may have exactly as many bytes as configured", () => {
    const small = signalLimits(100, 8);
    const state = (pl: string) => bytes("84", control, peerState, room, `a2 "pl" ${pl}`);
    expect(decodeSignal(state(`c4 08 ${ada}`), small)).toMatchObject({ ok: true });
    expect(decodeSignal(state(`c4 09 81 a2 "id" a4 "adam"`), small)).toMatchObject({
      error: "state_too_large",
    });
  });

  test("a message beyond its limit is not even looked at", () => {
    expect(refused(new Uint8Array(limits.messageBytes + 1))).toBe("signal_too_large");
    expect(refused(new Uint8Array(limits.messageBytes))).toBe("malformed_signal");
  });

  test("32 levels are allowed, the message being the first, and 33 are not", () => {
    const nested = (levels: number) =>
      bytes("83", data, room, 'a1 "x"', "91".repeat(levels - 2), "90");
    expect(decoded(nested(32))).toMatchObject({ c: "room" });
    expect(refused(nested(33))).toBe("signal_too_deep");
    expect(refused(nested(60_000))).toBe("signal_too_deep");
  });

  test("a state may nest 32 levels, itself being the first", () => {
    const state = (levels: number) => {
      const pl = `81 a1 "x" ${"91".repeat(levels - 2)} 90`;
      const length = (levels + 2).toString(16).padStart(2, "0");
      return bytes("84", control, peerState, room, `a2 "pl" c4 ${length} ${pl}`);
    };
    expect(decoded(state(32))).toMatchObject({ op: "peer_state" });
    expect(refused(state(33))).toBe("invalid_state");
  });
});

describe("the client's side", () => {
  const snapshot = `${control} a2 "op" a8 "snapshot" ${room}`;

  test("understands every member of a snapshot", () => {
    const member = `83 a1 "p" a3 "ada" a2 "pl" c4 08 ${ada} a5 "since" 05`;
    const message = bytes(
      "85",
      snapshot,
      'a2 "ms"',
      "92",
      member,
      '82 a1 "p" a3 "eve" a5 "since" 06',
      'a4 "more" c2',
    );
    expect(decodeServerSignal(message, limits)).toEqual({
      ok: true,
      signal: {
        t: "control",
        op: "snapshot",
        c: "room",
        ms: [
          { p: "ada", pl: bytes(ada), since: 5 },
          { p: "eve", since: 6 },
        ],
      },
    });
  });

  test.each([
    ["no list", 'a2 "ms" 80'],
    ["an item that is no map", 'a2 "ms" 91 05'],
    ["an item without p", 'a2 "ms" 91 81 a5 "since" 05'],
    ["an item with a wrong payload", 'a2 "ms" 91 83 a1 "p" a0 a5 "since" 05 a2 "pl" 05'],
  ])("refuses a snapshot with %s, and still reads what follows", (_what, members) => {
    const message = bytes("85", control, 'a2 "op" a8 "snapshot"', members, 'a2 "id" 09', room);
    expect(decodeServerSignal(message, limits)).toMatchObject({
      error: "invalid_signal",
      id: 9,
      c: "room",
    });
  });

  test("counts the levels of a snapshot with the list and the member", () => {
    const nested = (levels: number) => {
      const extra = `a1 "x" ${"91".repeat(levels - 4)} 90`;
      const member = `83 a1 "p" a0 a5 "since" 00 ${extra}`;
      return decodeServerSignal(bytes("84", snapshot, 'a2 "ms" 91', member), limits);
    };
    expect(nested(32)).toMatchObject({ ok: true });
    expect(nested(33)).toMatchObject({ error: "signal_too_deep" });
  });

  test("takes an opaque state as it comes: what to do with it is the page's matter", () => {
    const message = bytes("84", control, peerState, room, 'a2 "pl" c4 01 05');
    expect(decodeServerSignal(message, limits)).toMatchObject({ ok: true });
  });
});
