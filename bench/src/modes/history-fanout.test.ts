import { expect, test } from "bun:test";
import { compared } from "./history-fanout.ts";

test("what history costs is compared turn by turn, so that a slow turn of all of them says nothing", () => {
  const [without, kept, more] = compared([
    { name: "without", cpuMicros: [1, 10, 2, 4, 1], bytes: 100 },
    { name: "kept", cpuMicros: [1, 10, 2, 4, 1], bytes: 100 },
    { name: "with", cpuMicros: [1.1, 12, 2, 4.4, 3], bytes: 118 },
  ]);
  expect(without?.values).toEqual({ cpuMicros: 2, bytes: 100 });
  expect(kept?.values).toEqual({ cpuMicros: 2, bytes: 100, overNone: 1, lower: 1, upper: 1 });
  expect(more?.values).toEqual({
    ...{ cpuMicros: 3, bytes: 118, overNone: expect.closeTo(1.1, 9) },
    ...{ lower: expect.closeTo(1.1, 9), upper: expect.closeTo(1.2, 9) },
  });
});
