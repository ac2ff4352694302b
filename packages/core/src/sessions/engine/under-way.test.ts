import { expect, test } from "bun:test";
import { UnderWay } from "./under-way.ts";

test("whoever waits is called once all work has settled, also work that failed", async () => {
  const underWay = new UnderWay<object>();
  const [busy, idle] = [{}, {}];
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  underWay.track(busy, first.promise);
  underWay.track(busy, second.promise);
  const called: string[] = [];
  underWay.whenIdle(busy, () => called.push("busy"));
  underWay.whenIdle(busy, () => called.push("again"));
  underWay.whenIdle(idle, () => called.push("idle"));
  expect(called).toEqual(["idle"]);
  first.reject(new Error("as asked"));
  await first.promise.catch(() => undefined);
  expect(underWay.isBusy(busy)).toBe(true);
  second.resolve();
  await second.promise;
  expect(underWay.isBusy(busy)).toBe(false);
  expect(called).toEqual(["idle", "busy", "again"]);
});
