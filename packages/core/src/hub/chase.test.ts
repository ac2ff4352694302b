import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Chase } from "./chase.ts";

/** Sends so many numbers a step while so many are published; answers after how many steps it is told to give up. */
function chase(start: number, sent: number, published: number, steps: number): number | undefined {
  const chase = new Chase();
  let at = 0;
  let end = start;
  for (let step = 1; step <= steps; step++) {
    at = Math.min(end, at + sent);
    if (at === end) return undefined;
    if (!chase.isGaining(new Map([["e", at]]), new Map([["e", end]]))) return step;
    end += published;
  }
  return undefined;
}

describe("who is sent a history that grows", () => {
  test("goes on, however long it is, as long as it comes nearer to the end", () => {
    expect(chase(1_000_000, 10, 9, 1_000_000)).toBeUndefined();
    expect(chase(10_000, 10, 0, 10_000)).toBeUndefined();
  });

  test("is given up where as much is published as it is sent", () => {
    expect(chase(1_000, 10, 10, 10_000)).toBe(892);
  });

  test("comes to an end, whatever is published", () => {
    const lap = fc.integer({ min: 1, max: 1_000_000 });
    fc.assert(
      fc.property(fc.array(lap, { minLength: 400, maxLength: 400 }), (laps) => {
        const chase = new Chase();
        let end = 0;
        const goesOn = (more: number) => {
          const sent = new Map([["e", end]]);
          end += more;
          return chase.isGaining(sent, new Map([["e", end]]));
        };
        expect(laps.every(goesOn)).toBe(false);
      }),
    );
  });

  test("has a lap more only when all of its streams were sent as far as they went", () => {
    const chase = new Chase();
    const at = (a: number, b: number) =>
      new Map([
        ["a", a],
        ["b", b],
      ]);
    chase.isGaining(at(0, 0), at(10, 10));
    for (let n = 1; n <= 100; n++)
      expect(chase.isGaining(at(10 * n, 9), at(10 * n, 10))).toBe(true);
    let laps = 0;
    for (let n = 101; chase.isGaining(at(10 * n, 10 * n), at(10 * n + 10, 10 * n + 10)); n++)
      laps++;
    // The first was long, and the next short: eight after that are one too many.
    expect(laps).toBe(9);
  });

  test("does not wait for a stream of which it has left all channels", () => {
    const chase = new Chase();
    chase.isGaining(
      new Map(),
      new Map([
        ["a", 10],
        ["b", 10],
      ]),
    );
    let laps = 0;
    while (chase.isGaining(new Map([["a", 10 * laps + 10]]), new Map([["a", 10 * laps + 20]])))
      laps++;
    expect(laps).toBe(8);
  });
});
