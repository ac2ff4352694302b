import { expect, test } from "bun:test";
import { parseCursor } from "../../hub/cursor.ts";
import type { Publication } from "../../hub/publication.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { beginAt } from "./kept-tails.ts";
import { Gate, Tail } from "./tail.ts";
import { WorkerCursors } from "./worker-cursors.ts";

/** A channel, and another one of the same stream that begins later. */
function setUp() {
  const clock = new FakeClock();
  const cursors = new WorkerCursors({ clock, log: new RecordingLog(), counters: { late: 0 } });
  const stream = { app: "default", name: "s" };
  const gate = new Gate(() => {});
  const texts: string[] = [];
  const open = (channel: string) => {
    const tracked = cursors.track(stream);
    const deliver = (publication: Publication) => {
      tracked.deliver(publication);
      texts.push(publication.cursor ?? "");
    };
    const flushed = () => Promise.resolve();
    const tail = new Tail({ clock, gate, deliver, flushed, doubt() {} });
    const take = (offset: number, previous: number) => {
      const position = { epoch: "E", offset };
      const publication = { app: "default", channel, event: "e", data: "1", position };
      tail.take({ offset, previous, publication });
    };
    const begin = (last: number, newest: number | undefined) =>
      beginAt({ epoch: "E", last }, newest, tail, tracked);
    return { take, begin };
  };
  const [one, two] = [open("one"), open("two")];
  one.begin(90, 90);
  return { one, two, seen: () => parseCursor(texts.at(-1) ?? "")?.of("E") };
}

test("the newest that a channel begins behind has been seen", () => {
  const { one, two, seen } = setUp();
  two.begin(100, 98);
  one.take(101, 90);
  expect([96, 98].map((offset) => seen()?.has(offset))).toEqual([false, true]);
  expect(seen()?.isSure).toBe(true);
});

test("the newest has not been seen where the channel begins with what came before it, until it comes", () => {
  const { one, two, seen } = setUp();
  two.take(96, 92);
  two.begin(100, 98);
  expect(seen()).toMatchObject({ offset: 96, isSure: true });
  one.take(101, 90);
  expect([96, 98].map((offset) => seen()?.has(offset))).toEqual([true, false]);
  two.take(98, 96);
  expect(seen()?.has(98)).toBe(true);
});

test("while the newest is not known cursors say so, until something comes", () => {
  const { one, two, seen } = setUp();
  two.begin(100, undefined);
  one.take(101, 90);
  expect(seen()?.isSure).toBe(false);
  two.take(102, 98);
  expect(seen()?.isSure).toBe(true);
});
