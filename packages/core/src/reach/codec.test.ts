import { expect, test } from "bun:test";
import fc from "fast-check";
import { packValue } from "../broker/ipc/values.ts";
import { WireError } from "../broker/ipc/wire-error.ts";
import { decodeReach, encodeReach } from "./codec.ts";
import type { ReachMessage } from "./transport.ts";

const number = fc.nat();
const value = fc.oneof(fc.string(), fc.nat(), fc.constant(null), fc.record({ key: fc.string() }));
const message: fc.Arbitrary<ReachMessage> = fc.oneof(
  fc.record({
    ...{ type: fc.constant("question" as const), number },
    ...{ method: fc.string(), argument: value },
  }),
  fc.record({ type: fc.constant("answer" as const), number, value }),
  fc.record({
    ...{ type: fc.constant("refusal" as const), number },
    ...{ error: fc.string(), message: fc.string() },
  }),
  fc.record({ type: fc.constant("word" as const), method: fc.string(), argument: value }),
);

test("a message says after its way what it said before, and who said it", () => {
  fc.assert(
    fc.property(fc.string(), message, (start, said) => {
      expect(decodeReach(encodeReach(start, said))).toEqual({ start, message: said });
    }),
  );
});

test("what is no message is refused, whatever it is", () => {
  const refused = (bytes: Uint8Array) => {
    try {
      decodeReach(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(WireError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), refused));
  fc.assert(fc.property(fc.array(value), (parts) => refused(packValue(parts))));
  fc.assert(
    fc.property(fc.nat(9), fc.array(value), (type, parts) =>
      refused(packValue([1, "start", type, ...parts])),
    ),
  );
  for (const other of [
    [2, "start", 0, 1, "take", {}],
    [1, "start", 4],
    [1, 7, 0, 1, "take"],
    {},
    7,
  ]) {
    expect(() => decodeReach(packValue(other))).toThrow(WireError);
  }
});
