import { expect, test } from "bun:test";
import fc from "fast-check";
import { concatenate } from "../records.ts";
import { cut, hex } from "../testing/bytes.ts";
import { encodeVarint } from "../varint.ts";
import { StreamStart } from "./stream-start.ts";

test("the beginning of a stream is read, however it is cut up, and the rest left", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x54), fc.nat()),
      fc.nat(),
      fc.array(fc.integer({ min: 1, max: 3 })),
      (type, session, sizes) => {
        const ids = type === 0x54 ? [type, session] : [type];
        const bytes = concatenate([...ids.map((id) => encodeVarint(id)), hex("0102030405")]);
        const start = new StreamStart();
        const rest: number[] = [];
        let isComplete = false;
        for (const piece of cut(bytes, sizes)) {
          const left: Uint8Array | undefined = isComplete ? piece : start.push(piece);
          isComplete = left !== undefined;
          rest.push(...(left ?? []));
        }
        expect(rest).toEqual([1, 2, 3, 4, 5]);
        expect(start.type).toBe(type);
        if (type === 0x54) expect(start.session).toBe(session);
      },
    ),
  );
});
