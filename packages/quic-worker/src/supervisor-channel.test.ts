import { expect, test } from "bun:test";
import { channelLog, type QuicMessage } from "./supervisor-channel.ts";

test("the log tells an error with what was behind it, and nothing below its level", () => {
  const sent: QuicMessage[] = [];
  const log = channelLog("info", (message) => sent.push(message));
  const error = new TypeError("fetch failed", { cause: new Error("no such host") });
  log.debug({}, "unheard");
  log.warn({ error, attempts: 2 }, "no keys");
  expect(sent).toEqual([
    {
      type: "log",
      level: "warn",
      fields: {
        error: expect.stringMatching(
          /TypeError: fetch failed[\s\S]*\nCaused by: Error: no such host/,
        ),
        attempts: 2,
      },
      message: "no keys",
    },
  ]);
});
