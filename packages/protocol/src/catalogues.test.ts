import { expect, test } from "bun:test";
import { closeCatalogue, shouldReconnect } from "./close-codes.ts";
import { errorBody, errorCatalogue, StarlingError } from "./errors.ts";

test("no two errors share a code, and each code lies in a range that has a meaning", () => {
  const codes = Object.values(errorCatalogue).map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
  for (const code of codes) expect([1, 2, 3, 9]).toContain(Math.floor(code / 100));
});

test("an error carries its code, its status and the more exact message", () => {
  const error = new StarlingError("invalid_request", "channel: is missing");
  expect(error.status).toBe(400);
  expect(errorBody(error)).toEqual({
    error: { code: 101, name: "invalid_request", message: "channel: is missing" },
  });
});

test("close codes lie where applications may put them, and their reasons fit into a frame", () => {
  const definitions = Object.values(closeCatalogue);
  expect(new Set(definitions.map(({ code }) => code)).size).toBe(definitions.length);
  for (const { code, reason } of definitions) {
    expect(code).toBeGreaterThanOrEqual(4000);
    expect(code).toBeLessThan(5000);
    expect(new TextEncoder().encode(reason).length).toBeLessThanOrEqual(123);
  }
});

test("the range of a close code says whether a client should come back", () => {
  expect(shouldReconnect(closeCatalogue.slow_consumer.code)).toBe(true);
  expect(shouldReconnect(closeCatalogue.shutting_down.code)).toBe(true);
  expect(shouldReconnect(1006)).toBe(true);
  expect(shouldReconnect(closeCatalogue.disconnected_by_publisher.code)).toBe(false);
});
