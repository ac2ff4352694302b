import { expect, test } from "bun:test";
import fc from "fast-check";
import { WireError } from "../broker/ipc/wire-error.ts";
import { HookCodec } from "./codec.ts";
import { hookMessage } from "./testing/arbitraries.ts";

const codec = new HookCodec();

test("a message is read as it was written, with who wrote it", () => {
  fc.assert(
    fc.property(fc.string(), hookMessage, (start, message) => {
      expect(codec.decode(codec.encode(start, message))).toEqual({ start, message });
    }),
  );
});

test("a message that is cut off is none", () => {
  fc.assert(
    fc.property(hookMessage, fc.nat(), (message, place) => {
      const bytes = codec.encode("start", message);
      const cut = bytes.subarray(0, place % bytes.length);
      expect(() => codec.decode(cut)).toThrow(WireError);
    }),
  );
});

test("bytes of any kind are a message or none, and nothing worse", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        codec.decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
  );
});

test("what follows on a message, and another version, are refused", () => {
  const bytes = codec.encode("start", { type: "want", log: "log" });
  expect(() => codec.decode(Uint8Array.of(...bytes, 0))).toThrow(WireError);
  expect(() => codec.decode(Uint8Array.of(2, ...bytes.slice(1)))).toThrow(WireError);
});
