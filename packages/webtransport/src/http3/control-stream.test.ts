import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { codeOf, cut, hex } from "../testing/bytes.ts";
import { ControlStream } from "./control-stream.ts";
import { ErrorCode } from "./errors.ts";
import type { PeerSettings } from "./settings.ts";

const SETTINGS = "04 02 3301";

function outcome(digits: string, sizes: readonly number[] = []) {
  const settings: PeerSettings[] = [];
  const stream = new ControlStream((received) => settings.push(received));
  const code = codeOf(() => {
    for (const piece of cut(hex(digits), sizes)) stream.push(piece);
  });
  return { settings, code };
}

describe("a control stream", () => {
  test("tells the settings, however it is cut up", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 })), (sizes) => {
        const { settings, code } = outcome(`${SETTINGS} 21 03 000000 0d 01 05`, sizes);
        expect(code).toBeUndefined();
        expect(settings).toEqual([{ takesDatagrams: true }]);
      }),
    );
  });

  test.each([
    ["unknown frames", "21 03 000000 800f0700 02 0001"],
    ["an unknown frame longer than all data", "21 ffffffffffffffff 0000"],
    ["MAX_PUSH_ID that goes up", "0d 01 05 0d 01 05 0d 01 06"],
    ["GOAWAY that goes down", "07 01 05 07 01 05 07 01 00"],
  ])("may carry %s", (_what, digits) => {
    expect(outcome(`${SETTINGS} ${digits}`).code).toBeUndefined();
  });

  test.each([
    ["begins with GOAWAY", "07 01 00", "H3_MISSING_SETTINGS"],
    ["begins with an unknown frame", `21 00 ${SETTINGS}`, "H3_MISSING_SETTINGS"],
    ["begins with DATA", "00 00", "H3_MISSING_SETTINGS"],
    ["carries settings twice", `${SETTINGS} ${SETTINGS}`, "H3_FRAME_UNEXPECTED"],
    ["carries settings twice, empty", "0400 0400", "H3_FRAME_UNEXPECTED"],
    ["carries too many settings", "04 4401", "H3_EXCESSIVE_LOAD"],
    ["carries DATA", `${SETTINGS} 00 00`, "H3_FRAME_UNEXPECTED"],
    ["carries HEADERS", `${SETTINGS} 01 00`, "H3_FRAME_UNEXPECTED"],
    ["carries PUSH_PROMISE", `${SETTINGS} 05 00`, "H3_FRAME_UNEXPECTED"],
    ["carries HTTP/2's PRIORITY", `${SETTINGS} 02 00`, "H3_FRAME_UNEXPECTED"],
    ["carries HTTP/2's PING", `${SETTINGS} 06 00`, "H3_FRAME_UNEXPECTED"],
    ["carries HTTP/2's WINDOW_UPDATE", `${SETTINGS} 08 00`, "H3_FRAME_UNEXPECTED"],
    ["carries HTTP/2's CONTINUATION", `${SETTINGS} 09 00`, "H3_FRAME_UNEXPECTED"],
    ["carries the sign of a session's stream", `${SETTINGS} 4041 00`, "H3_FRAME_ERROR"],
    ["cancels a push", `${SETTINGS} 03 01 00`, "H3_ID_ERROR"],
    ["lowers MAX_PUSH_ID", `${SETTINGS} 0d 01 05 0d 01 04`, "H3_ID_ERROR"],
    ["raises GOAWAY", `${SETTINGS} 07 01 04 07 01 05`, "H3_ID_ERROR"],
    ["has an id that is too short", `${SETTINGS} 07 01 40`, "H3_FRAME_ERROR"],
    ["has an id that is too long", `${SETTINGS} 07 02 0000`, "H3_FRAME_ERROR"],
    ["has no id", `${SETTINGS} 07 00`, "H3_FRAME_ERROR"],
    ["has an id of nine bytes", `${SETTINGS} 07 09`, "H3_FRAME_ERROR"],
  ] as const)("is refused when it %s", (_what, digits, code) => {
    expect(outcome(digits).code).toBe(ErrorCode[code]);
    expect(outcome(digits, Array(20).fill(1)).code).toBe(ErrorCode[code]);
  });
});
