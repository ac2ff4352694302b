import { expect, test } from "bun:test";
import { Inbox } from "./inbox.ts";

const message = (value: number, length = 1) => new Uint8Array(length).fill(value);

test("what waits is done in the order in which it came, as it was when it came", () => {
  const inbox = new Inbox(100);
  const done: number[] = [];
  inbox.hold();
  const reused = message(1);
  inbox.put(reused);
  reused.fill(9);
  for (const value of [2, 3]) inbox.put(message(value));
  expect(inbox.isHeld).toBe(true);
  inbox.release(([value = 0]) => done.push(value));
  expect(done).toEqual([1, 2, 3]);
  expect(inbox.isHeld).toBe(false);
});

test("one that has to wait itself lets the rest wait on", () => {
  const inbox = new Inbox(100);
  const done: number[] = [];
  const perform = ([value = 0]: Uint8Array) => {
    done.push(value);
    if (value === 2) inbox.hold();
  };
  inbox.hold();
  for (const value of [1, 2, 3]) inbox.put(message(value));
  inbox.release(perform);
  expect(done).toEqual([1, 2]);
  inbox.put(message(4));
  inbox.release(perform);
  expect(done).toEqual([1, 2, 3, 4]);
});

test("no more waits than may, and what was done counts no more", () => {
  const inbox = new Inbox(10);
  inbox.hold();
  expect(inbox.put(message(1, 10))).toBe(true);
  expect(inbox.put(message(2, 1))).toBe(false);
  inbox.release(() => {});
  inbox.hold();
  expect(inbox.put(message(3, 10))).toBe(true);
});
