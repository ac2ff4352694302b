import { expect, test } from "bun:test";
import { parseWrk } from "./wrk.ts";

test("the counts are found among what wrk prints", () => {
  const output = [
    "Running 5s test @ https://127.0.0.1:1/publish",
    "Requests/sec:  98765.43",
    '{"requests":500,"microseconds":5000123,"failures":2,"median":80,"p99":400}',
    "",
  ].join("\n");
  expect(parseWrk(output)).toEqual({
    requests: 500,
    microseconds: 5_000_123,
    failures: 2,
    median: 80,
    p99: 400,
  });
});

test("output without counts is an error that quotes it", () => {
  expect(() => parseWrk("unable to connect")).toThrow("unable to connect");
});
