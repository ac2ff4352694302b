import { expect, test } from "bun:test";
import { MAX_STREAMS, parseCursor } from "../../hub/cursor.ts";
import type { Publication } from "../../hub/publication.ts";
import { WINDOW } from "../../hub/seen.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { RecordingLog } from "../../testing/recording-log.ts";
import { WorkerCursors } from "./worker-cursors.ts";

function setUp() {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const counters = { late: 0 };
  const cursors = new WorkerCursors({ clock, log, counters });
  const streamOf = (name: string, app = "default") => ({ app, name });
  return { clock, log, counters, cursors, streamOf };
}

function at(epoch: string, offset: number): Publication {
  const position = { epoch, offset };
  return { app: "default", channel: "c", event: "e", data: "1", position };
}

/** The cursor that a channel's next publication is given. */
function next(channel: { deliver(publication: Publication): void }, epoch: string, offset: number) {
  const publication = at(epoch, offset);
  channel.deliver(publication);
  return publication.cursor;
}

test("while where a channel stands is not known though it is used, cursors say so", () => {
  const { cursors, streamOf } = setUp();
  const stream = streamOf("s");
  const [one, two] = [cursors.track(stream), cursors.track(stream)];
  one.begin({ epoch: "E", offset: 5 }, 3);
  expect(next(one, "E", 6)).toBe("E.6");
  two.fail();
  expect(next(one, "E", 7)).toBe("E.7!");
  two.begin({ epoch: "E", offset: 8 }, undefined);
  expect(next(one, "E", 9)).toBe("E.9!B");
  expect(next(two, "E", 8)).toBe("E.9");
  two.fail();
  two.end();
  expect(next(one, "E", 10)).toBe("E.10");
});

test("the newest of a channel that begins has been seen, unless it is still to come", () => {
  const { cursors, streamOf } = setUp();
  const stream = streamOf("s");
  const [one, two, three] = [cursors.track(stream), cursors.track(stream), cursors.track(stream)];
  one.begin({ epoch: "E", offset: 5 }, 0);
  two.begin({ epoch: "E", offset: 9 }, 8);
  three.begin({ epoch: "E", offset: 9 }, 10);
  const text = next(one, "E", 11);
  expect(text).toStartWith("E.11!");
  const seen = parseCursor(text ?? "")?.of("E");
  expect([6, 7, 8, 9, 10, 11].filter((offset) => seen?.has(offset))).toEqual([8, 11]);
  expect(next(three, "E", 10)).not.toContain("!");
});

test("a cursor names the streams of the app that are wanted, the publication's own first", () => {
  const { cursors, streamOf } = setUp();
  const one = cursors.track(streamOf("s1"));
  const two = cursors.track(streamOf("s2"));
  const other = cursors.track(streamOf("s3", "another"));
  other.begin({ epoch: "E3", offset: 1 }, 0);
  one.begin({ epoch: "E1", offset: 1 }, 0);
  expect(next(one, "E1", 2)).toBe("E1.2");
  two.begin({ epoch: "E2", offset: 4 }, 4);
  expect(next(one, "E1", 3)).toBe("E1.3,E2.4");
  expect(next(two, "E2", 5)).toBe("E2.5,E1.3");
  two.end();
  expect(next(one, "E1", 4)).toBe("E1.4");
});

test("a stream that nobody wanted meanwhile begins anew", () => {
  const { cursors, streamOf } = setUp();
  const stream = streamOf("s");
  const before = cursors.track(stream);
  before.begin({ epoch: "E", offset: 5 }, 5);
  before.end();
  const after = cursors.track(stream);
  after.begin({ epoch: "E", offset: 900 }, 800);
  expect(next(after, "E", 901)).toBe("E.901");
});

test("a stream that was made anew has nothing of the old one", () => {
  const { cursors, streamOf } = setUp();
  const one = cursors.track(streamOf("s"));
  one.begin({ epoch: "old", offset: 50 }, 0);
  next(one, "old", 51);
  one.begin({ epoch: "new", offset: 2 }, 1);
  expect(next(one, "new", 3)).toBe("new.3");
});

test("no more streams are named than a cursor may have", () => {
  const { cursors, streamOf } = setUp();
  const channels = Array.from({ length: MAX_STREAMS + 4 }, (_, index) => {
    const channel = cursors.track(streamOf(`s${index}`));
    channel.begin({ epoch: `E${index}`, offset: 1 }, 0);
    return channel;
  });
  const last = channels.at(-1);
  const text = last === undefined ? "" : next(last, `E${MAX_STREAMS + 3}`, 2);
  const cursor = parseCursor(text ?? "");
  expect(cursor?.streams.length).toBe(MAX_STREAMS);
  expect(cursor?.of(`E${MAX_STREAMS + 3}`)?.offset).toBe(2);
});

test("what comes late is said to be missing until then, however many have passed it", () => {
  const { cursors, streamOf, counters } = setUp();
  const stream = streamOf("s");
  const [one, two] = [cursors.track(stream), cursors.track(stream)];
  for (const each of [one, two]) each.begin({ epoch: "E", offset: 0 }, 0);
  const passing = parseCursor(next(one, "E", 5 * WINDOW) ?? "")?.of("E");
  expect(passing).toMatchObject({ settled: 0, floor: 4 * WINDOW, isSure: true });
  next(two, "E", 1);
  expect(counters.late).toBe(0);
});

test("what comes a second later is counted, and logged now and then", () => {
  const { cursors, streamOf, counters, log, clock } = setUp();
  const stream = streamOf("s");
  const [one, two] = [cursors.track(stream), cursors.track(stream)];
  for (const each of [one, two]) each.begin({ epoch: "E", offset: 0 }, 0);
  next(one, "E", 10);
  clock.advance(900);
  next(one, "E", 11);
  clock.advance(99);
  expect(next(one, "E", 12)).toBe("E.12~cfB");
  clock.advance(900);
  expect(parseCursor(next(one, "E", 20) ?? "")?.of("E")?.settled).toBe(0);
  clock.advance(500);
  next(one, "E", 21);
  clock.advance(500);
  expect(parseCursor(next(one, "E", 22) ?? "")?.of("E")?.settled).toBe(12);
  expect(counters.late).toBe(0);
  next(two, "E", 13);
  expect(counters.late).toBe(0);
  for (const offset of [1, 2, 3]) next(two, "E", offset);
  expect(counters.late).toBe(3);
  expect(log.lines).toHaveLength(1);
  expect(log.lines[0]).toMatchObject({ level: "warn", fields: { stream: "s", offset: 1 } });
  clock.advance(10_000);
  next(two, "E", 4);
  expect(log.lines).toHaveLength(2);
});

test("what is delivered after a while has nothing to wait for but what was published meanwhile", () => {
  const { cursors, streamOf, clock } = setUp();
  const channel = cursors.track(streamOf("s"));
  channel.begin({ epoch: "E", offset: 0 }, 0);
  next(channel, "E", 90);
  clock.advance(1_000);
  const seen = parseCursor(next(channel, "E", 100) ?? "")?.of("E");
  expect(seen).toMatchObject({ settled: 90, floor: 90, offset: 100 });
  clock.advance(1_000);
  expect(next(channel, "E", 101)).toBe("E.101");
});

test("how far cursors of a stream have gone is known, also by what was there when a channel began", () => {
  const { cursors, streamOf } = setUp();
  const stream = streamOf("s");
  const [one, other] = [cursors.track(stream), cursors.track(stream)];
  expect(cursors.upTo("default", "E")).toBe(0);
  one.begin({ epoch: "E", offset: 5 }, 0);
  expect(cursors.upTo("default", "E")).toBe(5);
  next(one, "E", 7);
  next(one, "E", 6);
  expect(cursors.upTo("default", "E")).toBe(7);
  other.begin({ epoch: "E", offset: 12 }, 10);
  expect(cursors.upTo("default", "E")).toBe(10);
  expect(cursors.upTo("default", "F")).toBe(0);
  expect(cursors.upTo("shop", "E")).toBe(0);
});
