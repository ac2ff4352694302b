import { expect, test } from "bun:test";
import { complete } from "./fanout.ts";

const options = { perTick: 10, subscribers: 200 };

test("a run in which every delivery came is accepted", () => {
  expect(() => complete({ deliveries: 6_000 }, 3, options)).not.toThrow();
});

test("a single lost delivery fails the run", () => {
  expect(() => complete({ deliveries: 5_999 }, 3, options)).toThrow("1 DELIVERIES LOST");
});

test("a delivery too many fails the run", () => {
  expect(() => complete({ deliveries: 6_002 }, 3, options)).toThrow("2 DELIVERIES TOO MANY");
});
