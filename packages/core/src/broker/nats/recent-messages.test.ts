import { expect, test } from "bun:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { RecentMessages } from "./recent-messages.ts";
import type { StoredMessage } from "./stored-message.ts";

const KIB = 1024;

function message(offset: number, size = 10): StoredMessage {
  const data = new Uint8Array(size);
  return { offset, time: 0, message: { subject: "a", data } };
}

function offsets({ messages }: { readonly messages: readonly StoredMessage[] }): number[] {
  return messages.map(({ offset }) => offset);
}

test("who asks behind the same place, or in the middle, is given what was read there", () => {
  const recent = new RecentMessages(new FakeClock());
  const part = recent.at("a", "e", 5);
  recent.add(part, { messages: [message(7), message(9)], upTo: 11 });
  for (const start of [5, 6, 9, 12]) expect(recent.at("a", "e", start)).toBe(part);
  expect(recent.at("a", "e", 13)).not.toBe(part);
});

test("what lies outside, in another channel or of another stream is read anew", () => {
  const recent = new RecentMessages(new FakeClock());
  const part = recent.at("a", "e", 5);
  recent.add(part, { messages: [message(7)], upTo: 7 });
  for (const other of [recent.at("a", "e", 4), recent.at("a", "e", 9)]) {
    expect(other).not.toBe(part);
    expect(offsets(other)).toEqual([]);
  }
  expect(recent.at("b", "e", 5)).not.toBe(part);
  expect(recent.at("a", "f", 5)).not.toBe(part);
});

test("of a long part the newer half is left, and says where it begins", () => {
  const recent = new RecentMessages(new FakeClock());
  const part = recent.at("a", "e", 1);
  for (let offset = 2; offset <= 24; offset += 2) {
    recent.add(part, { messages: [message(offset, 100 * KIB)], upTo: offset });
  }
  const [first = 0] = offsets(part);
  expect(offsets(part).at(-1)).toBe(24);
  expect(part.from).toBe(first - 1);
  expect(recent.at("a", "e", first - 2)).not.toBe(part);
  expect(recent.bytes).toBeLessThanOrEqual(KIB * KIB);
});

test("all of it together has a limit, at which the part that was used first goes", () => {
  const recent = new RecentMessages(new FakeClock());
  const parts = Array.from({ length: 12 }, (_, index) => {
    const part = recent.at(`${index}`, "e", 1);
    recent.add(part, { messages: [message(1, 900 * KIB)], upTo: 1 });
    expect(recent.bytes).toBeLessThanOrEqual(8 * KIB * KIB);
    return part;
  });
  expect(recent.at("11", "e", 1)).toBe(parts[11] ?? fail());
  expect(recent.at("0", "e", 1)).not.toBe(parts[0] ?? fail());
});

test("what nobody asks for is forgotten, with its timer", () => {
  const clock = new FakeClock();
  const recent = new RecentMessages(clock);
  recent.add(recent.at("a", "e", 1), { messages: [message(1)], upTo: 1 });
  clock.advance(10_000);
  recent.add(recent.at("b", "e", 1), { messages: [message(1)], upTo: 1 });
  clock.advance(10_000);
  expect(offsets(recent.at("b", "e", 1))).toEqual([1]);
  expect(offsets(recent.at("a", "e", 1))).toEqual([]);
  clock.advance(60_000);
  expect(recent.bytes).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

function fail(): never {
  throw new Error("there is no such part");
}
