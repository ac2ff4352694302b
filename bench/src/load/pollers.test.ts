import { expect, test } from "bun:test";
import { partnered, workerOf } from "./pollers.ts";
import { sessionId } from "./polling-session.ts";

test("polls at the own worker take the connection that the session was opened over", () => {
  expect(
    partnered(
      [
        ["a1", "a2"],
        ["b1", "b2"],
      ],
      "own",
    ),
  ).toEqual([
    ["a1", "a1"],
    ["a2", "a2"],
    ["b1", "b1"],
    ["b2", "b2"],
  ]);
});

test("polls at another worker take each connection once, and never their own worker's", () => {
  const pairs = partnered(
    [
      ["a1", "a2"],
      ["b1", "b2"],
      ["c1", "c2"],
    ],
    "other",
  );
  expect(pairs.length).toBe(6);
  expect(new Set(pairs.map(([, connection]) => connection)).size).toBe(6);
  for (const [session, connection] of pairs) expect(session[0]).not.toBe(connection[0]);
});

test("a session is named in the packet that opens it, and names its worker", () => {
  const body = '0{"sid":"1a.Zq_-","upgrades":["websocket"],"pingInterval":25000}';
  expect(sessionId(body)).toBe("1a.Zq_-");
  expect(workerOf("1a.Zq_-")).toBe("1a");
  expect(workerOf("Zq_-")).toBe("");
  expect(() => sessionId('{"code":0,"message":"Transport unknown"}')).toThrow("Transport unknown");
});
