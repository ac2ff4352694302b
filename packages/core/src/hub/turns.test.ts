import { expect, test } from "bun:test";
import { Turns } from "./turns.ts";

test("so many are under way at a time, and the others follow in their order, whatever becomes of those before", async () => {
  const turns = new Turns(2);
  const asked: number[] = [];
  const ends: PromiseWithResolvers<number>[] = [];
  const answers = [0, 1, 2, 3].map((n) =>
    turns.take(() => {
      asked.push(n);
      const end = Promise.withResolvers<number>();
      ends.push(end);
      return end.promise;
    }),
  );
  const settled = answers.map((answer) =>
    Promise.resolve(answer).catch((error: unknown) => String(error)),
  );
  expect(asked).toEqual([0, 1]);
  ends[1]?.reject(new Error("fault"));
  expect(await settled[1]).toBe("Error: fault");
  await Promise.resolve();
  expect(asked).toEqual([0, 1, 2]);
  ends[0]?.resolve(10);
  ends[2]?.resolve(12);
  expect(await settled[0]).toBe(10);
  await settled[2];
  await Promise.resolve();
  expect(asked).toEqual([0, 1, 2, 3]);
  ends[3]?.resolve(13);
  expect(await settled[3]).toBe(13);
  expect(turns.take(() => 1)).toBe(1);
});

test("what is answered at once, or throws, takes nobody's turn", () => {
  const turns = new Turns(1);
  const fault = () => {
    throw new Error("fault");
  };
  expect(() => turns.take(fault)).toThrow("fault");
  for (const n of [1, 2]) expect(turns.take(() => n)).toBe(n);
});
