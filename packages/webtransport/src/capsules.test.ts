import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CapsuleReader, encodeClose, encodeDrain } from "./capsules.ts";
import { ErrorCode } from "./http3/errors.ts";
import { RequestStream } from "./http3/request-stream.ts";
import { concatenate } from "./records.ts";
import { codeOf, cut, hex, text, utf8 } from "./testing/bytes.ts";
import { encodeVarint } from "./varint.ts";

function capsule(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatenate([encodeVarint(type), encodeVarint(value.length), value]);
}

function closeCapsule(code: string, reason: Uint8Array): Uint8Array<ArrayBuffer> {
  return capsule(0x2843, concatenate([hex(code), reason]));
}

function read(bytes: Uint8Array<ArrayBuffer>, sizes: readonly number[] = []) {
  const told: unknown[] = [];
  const reader = new CapsuleReader({
    receiveDatagram: (payload) => told.push(["datagram", text(payload)]),
    receiveDrain: () => told.push(["drain"]),
    receiveClose: (code, reason) => told.push(["close", code, reason]),
  });
  const code = codeOf(() => {
    for (const piece of cut(bytes, sizes)) reader.push(piece);
    reader.finish();
  });
  return { told, code };
}

/** The capsules in the DATA frames that the server writes. */
function content(frames: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const stream = new RequestStream(64);
  const parts: Uint8Array[] = [];
  const rest = concatenate([hex("0100"), frames]).subarray(stream.push(hex("0100")));
  stream.content = (bytes) => parts.push(bytes.slice());
  stream.push(rest);
  return concatenate(parts);
}

describe("capsules", () => {
  test("are told in their order, however they are cut up, and unknown ones passed over", () => {
    const bytes = concatenate([
      capsule(0x17, new Uint8Array(300)),
      capsule(0, utf8("hello")),
      capsule(0x78ae, utf8("")),
      capsule(0x190b4d3d, hex("00")),
      closeCapsule("00001267", utf8("bye, grüße")),
    ]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 })), (sizes) => {
        const { told, code } = read(bytes, sizes);
        expect(code).toBeUndefined();
        expect(told).toEqual([["datagram", "hello"], ["drain"], ["close", 4711, "bye, grüße"]]);
      }),
    );
  });

  test("with a datagram that is too long lose it", () => {
    const { told, code } = read(
      concatenate([capsule(0, new Uint8Array(2049)), capsule(0x78ae, hex(""))]),
    );
    expect(told).toEqual([["drain"]]);
    expect(code).toBeUndefined();
  });

  test("close with a reason of 1,024 bytes at most", () => {
    expect(read(closeCapsule("ffffffff", new Uint8Array(1024).fill(97))).told).toEqual([
      ["close", 0xffff_ffff, "a".repeat(1024)],
    ]);
  });

  test("close with text even where it is no UTF-8", () => {
    expect(read(closeCapsule("00000000", hex("ff61"))).told).toEqual([["close", 0, "\ufffda"]]);
  });

  test.each([
    ["a close that is too long", closeCapsule("00000000", new Uint8Array(1025))],
    ["a close without a code", capsule(0x2843, hex("000000"))],
    ["a drain with a value", capsule(0x78ae, hex("00"))],
    ["a capsule behind the close", concatenate([closeCapsule("00000000", hex("")), hex("17 00")])],
    ["a byte behind the close", concatenate([closeCapsule("00000000", hex("")), hex("17")])],
    ["a capsule that is cut off", hex("17 05 00")],
    ["a type that is cut off", hex("40")],
  ])("are malformed with %s", (_what, bytes) => {
    expect(read(bytes).code).toBe(ErrorCode.H3_MESSAGE_ERROR);
    expect(read(bytes, Array(bytes.length).fill(1)).code).toBe(ErrorCode.H3_MESSAGE_ERROR);
  });

  test("that a server writes come back as they were", () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.string({ unit: "grapheme", maxLength: 99 }),
        (code, reason) => {
          const frames = concatenate([encodeDrain(), encodeClose(code, reason)]);
          expect(read(content(frames)).told).toEqual([["drain"], ["close", code, reason]]);
        },
      ),
    );
  });

  test("cut off a reason that is too long at the end of a character", () => {
    const { told } = read(content(encodeClose(1, `a${"ü".repeat(1000)}`)));
    expect(told).toEqual([["close", 1, `a${"ü".repeat(511)}`]]);
  });
});
