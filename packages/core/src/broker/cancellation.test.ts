import { expect, test } from "bun:test";
import { CancellationSource } from "./cancellation.ts";

test("cancelling calls back once, and at once whoever asks afterwards", () => {
  const source = new CancellationSource();
  const calls: string[] = [];
  source.onCancel(() => calls.push("before"));
  expect([source.isCancelled, ...calls]).toEqual([false]);
  source.cancel();
  source.cancel();
  expect([source.isCancelled, ...calls]).toEqual([true, "before"]);
  source.onCancel(() => calls.push("after"));
  source.cancel();
  expect(calls).toEqual(["before", "after"]);
});
