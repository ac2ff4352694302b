import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../testing/fake-clock.ts";
import { Outbox, type Outgoing, Place } from "./outbox.ts";

const DEADLINE_MS = 5_000;

class Letter implements Outgoing<Letter> {
  readonly place = new Place<Letter>();
  readonly bytes: number;
  readonly settled: unknown[] = [];

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  settle(error: unknown): void {
    this.settled.push(error);
  }
}

function outbox(maxBytes = 100) {
  const clock = new FakeClock();
  return { clock, outbox: new Outbox<Letter>({ clock, maxBytes, deadlineMs: DEADLINE_MS }) };
}

test("what waits is what was added and not settled, in its order, whatever is settled first", () => {
  const step = fc.record({ adds: fc.boolean(), which: fc.nat(20), bytes: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { outbox: box } = outbox();
      const waiting: Letter[] = [];
      for (const { adds, which, bytes } of steps) {
        if (adds) {
          const letter = new Letter(bytes);
          box.add(letter);
          waiting.push(letter);
        } else {
          const [letter] = waiting.splice(which % Math.max(1, waiting.length), 1);
          if (letter !== undefined) expect(box.settle(letter)).toBe(true);
        }
        expect([...box.messages()]).toEqual(waiting);
        expect([box.first, box.last]).toEqual([waiting[0], waiting.at(-1)]);
        expect(box.bytes).toBe(waiting.reduce((sum, each) => sum + each.bytes, 0));
      }
    }),
  );
});

test("a message is settled once", () => {
  const { outbox: box } = outbox();
  const letter = new Letter(1);
  expect(box.settle(letter)).toBe(false);
  box.add(letter);
  expect(box.settle(letter)).toBe(true);
  expect(box.settle(letter, new Error("again"))).toBe(false);
  expect(letter.settled).toEqual([undefined]);
});

test("there is room up to the limit", () => {
  const { outbox: box } = outbox(10);
  box.add(new Letter(6));
  expect([box.hasRoomFor(4), box.hasRoomFor(5)]).toEqual([true, false]);
});

test("each message is given up at its own deadline", () => {
  const { clock, outbox: box } = outbox();
  const letters = [new Letter(1), new Letter(1), new Letter(1)] as const;
  for (const letter of letters) {
    box.add(letter);
    clock.advance(1_000);
  }
  box.settle(letters[1]);
  clock.advance(DEADLINE_MS - 3_001);
  expect(letters[0].settled).toEqual([]);
  clock.advance(1);
  expect(letters[0].settled).toMatchObject([{ errorName: "broker_unavailable" }]);
  expect([...box.messages()]).toEqual([letters[2]]);
  clock.advance(2_000);
  expect(letters[2].settled).toMatchObject([{ errorName: "broker_unavailable" }]);
  expect(box.bytes).toBe(0);
});

test("whoever waits when it is closed is told", () => {
  const { outbox: box } = outbox();
  const letters = [new Letter(1), new Letter(1)];
  for (const letter of letters) box.add(letter);
  box.close();
  for (const { settled } of letters)
    expect(settled).toMatchObject([{ errorName: "broker_unavailable" }]);
});
