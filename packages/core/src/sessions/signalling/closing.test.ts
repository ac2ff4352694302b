import { expect, test } from "bun:test";
import { type CloseName, closeCatalogue } from "@starling/protocol/close-codes.ts";
import { closingOf } from "./closing.ts";

const names = Object.keys(closeCatalogue) as CloseName[];

test.each(names)("%s is closed with its own code in version 2", (name) => {
  expect(closingOf(name, 2)).toEqual(closeCatalogue[name]);
});

test.each([
  ["shutting_down", 1013],
  ["slow_consumer", 1013],
  ["ping_timeout", 1013],
  ["token_expired", 1013],
  ["limit_exceeded", 1013],
  ["disconnected_by_publisher", 4500],
] as const)("%s is closed with what sends a client of version 1 the right way", (name, code) => {
  expect(closingOf(name, 1)).toEqual({ code, reason: closeCatalogue[name].reason });
});
