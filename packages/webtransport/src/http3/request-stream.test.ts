import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { codeOf, cut, hex } from "../testing/bytes.ts";
import { ErrorCode } from "./errors.ts";
import { RequestStream } from "./request-stream.ts";

/** Feeds a stream; with headers it goes on to take content. */
function read(digits: string, sizes: readonly number[] = []) {
  const stream = new RequestStream(64);
  const content: number[] = [];
  let taken = 0;
  const code = codeOf(() => {
    for (const piece of cut(hex(digits), sizes)) {
      for (let rest = piece; rest.length > 0; ) {
        const length = stream.push(rest);
        taken += length;
        rest = rest.subarray(length);
        if (stream.start?.kind === "session stream") return;
        if (stream.start !== undefined) stream.content = (bytes) => content.push(...bytes);
      }
    }
    stream.finish();
  });
  return { start: stream.start, content, taken, code };
}

describe("a request stream", () => {
  test("gives the headers and then the content, however it is cut up", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 })), (sizes) => {
        const outcome = read("21 02 ffff 01 03 010203 00 02 0405 21 00 00 00 00 01 06", sizes);
        expect(outcome.code).toBeUndefined();
        expect(outcome.start).toEqual({ kind: "request", fieldSection: hex("010203") });
        expect(outcome.content).toEqual([4, 5, 6]);
      }),
    );
  });

  test("of a session is left behind the session's id", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 })), (sizes) => {
        const outcome = read("4041 4104 68616c6c6f", sizes);
        expect(outcome.start).toEqual({ kind: "session stream", session: 260 });
        expect(outcome.taken).toBe(4);
      }),
    );
  });

  test.each([
    ["begins with DATA", "00 00", "H3_FRAME_UNEXPECTED"],
    ["carries headers twice", "01 00 01 00", "H3_FRAME_UNEXPECTED"],
    ["carries SETTINGS", "04 00", "H3_FRAME_UNEXPECTED"],
    ["carries GOAWAY", "01 00 07 01 00", "H3_FRAME_UNEXPECTED"],
    ["carries CANCEL_PUSH", "03 01 00", "H3_FRAME_UNEXPECTED"],
    ["carries MAX_PUSH_ID", "0d 01 00", "H3_FRAME_UNEXPECTED"],
    ["carries PUSH_PROMISE", "05 00", "H3_FRAME_UNEXPECTED"],
    ["carries HTTP/2's PING", "06 00", "H3_FRAME_UNEXPECTED"],
    ["becomes a session's stream too late", "21 00 4041 00", "H3_FRAME_ERROR"],
    ["has too many headers", "01 4041", "H3_EXCESSIVE_LOAD"],
    ["ends without headers", "21 00", "H3_REQUEST_INCOMPLETE"],
    ["ends at once", "", "H3_REQUEST_INCOMPLETE"],
    ["ends within a frame", "01 02 00", "H3_FRAME_ERROR"],
    ["ends within a type", "40", "H3_FRAME_ERROR"],
    ["ends within content", "01 00 00 05 01", "H3_FRAME_ERROR"],
  ] as const)("is refused when it %s", (_what, digits, code) => {
    expect(read(digits).code).toBe(ErrorCode[code]);
    expect(read(digits, Array(20).fill(1)).code).toBe(ErrorCode[code]);
  });

  test("takes no content before the request is accepted", () => {
    const stream = new RequestStream(64);
    expect(stream.push(hex("01 00 00 01 07"))).toBe(2);
    expect(codeOf(() => stream.push(hex("00 01 07")))).toBe(ErrorCode.H3_FRAME_UNEXPECTED);
  });
});
