import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Cursor, cursorWith, MAX_STREAMS, parseCursor, seenText } from "./cursor.ts";
import { Seen, WINDOW } from "./seen.ts";

const text = ({ streams }: Cursor) => streams.map(seenText).join(",");

const seen = fc
  .record({
    epoch: fc.stringMatching(/^[\w-]{1,20}$/),
    first: fc.oneof(fc.nat(1_000), fc.nat(Number.MAX_SAFE_INTEGER - 10_000)),
    steps: fc.array(fc.oneof(fc.nat(130), fc.nat(2 * WINDOW)), { maxLength: 40 }),
    isSure: fc.boolean(),
  })
  .map(({ epoch, first, steps, isSure }) => {
    const made = Seen.upTo({ epoch, offset: first });
    for (const step of steps) made.mark(Math.max(1, made.offset + step - 100));
    made.isSure = isSure;
    return made;
  });
const cursor = fc
  .uniqueArray(seen, { selector: ({ epoch }) => epoch, minLength: 1, maxLength: MAX_STREAMS })
  .map((streams) => new Cursor(streams));

describe("the text of a cursor", () => {
  test("is read as the cursor that it was written from", () => {
    fc.assert(
      fc.property(cursor, (written) => {
        const read = parseCursor(text(written));
        expect(read?.streams.length).toBe(written.streams.length);
        for (const { epoch, offset, floor, settled, unknownTo, isSure, has } of written.streams) {
          const same = read?.of(epoch);
          expect(same).toMatchObject({ offset, floor, settled, unknownTo, isSure });
          const numbers = Array.from({ length: WINDOW + 5 }, (_, index) => offset - index);
          const known = numbers.filter((number) => has.call(written.of(epoch), number));
          expect(numbers.filter((number) => same?.has(number))).toEqual(known);
        }
      }),
    );
  });

  test("is one text only", () => {
    const part = fc.stringMatching(/^[ab]\.\d{1,3}([~!][ABCgw_-]{0,6}(\.[0-9]{1,2}){0,2})?$/);
    const parts = fc.array(part, { minLength: 1, maxLength: 3 }).map((all) => all.join(","));
    let cursors = 0;
    fc.assert(
      fc.property(fc.oneof(fc.string(), parts), (given) => {
        const read = parseCursor(given);
        if (read === undefined) return;
        cursors++;
        expect(text(read)).toBe(given);
      }),
      { numRuns: 2_000 },
    );
    expect(cursors).toBeGreaterThan(100);
  });

  test("is that of a position where everything up to it has been seen", () => {
    expect(text(Cursor.behind({ epoch: "E", offset: 5 }))).toBe("E.5");
    const late = Seen.upTo({ epoch: "E", offset: 10 });
    late.mark(12);
    expect(seenText(late)).toBe("E.12~B");
    late.mark(11);
    expect(seenText(late)).toBe("E.12");
  });

  test("names the streams in their order, each once", () => {
    expect(parseCursor("E1.5,E2.7")?.streams.map(({ offset }) => offset)).toEqual([5, 7]);
    expect(parseCursor("E1.5,E1.7")).toBeUndefined();
  });

  test("has a bound", () => {
    const of = (count: number) => Array.from({ length: count }, (_, index) => `e${index}.1`);
    expect(parseCursor(of(MAX_STREAMS).join(","))).toBeDefined();
    expect(parseCursor(of(MAX_STREAMS + 1).join(","))).toBeUndefined();
    const longest = `${"e".repeat(16)}.${Number.MAX_SAFE_INTEGER}!${"V".repeat(204)}F.4000000000000000.4000000000000000`;
    const all = of(MAX_STREAMS).map((_, index) => `${index}`.padStart(2, "0") + longest.slice(2));
    expect(parseCursor(all.join(","))?.streams.length).toBe(MAX_STREAMS);
  });

  test.each([
    "",
    ".",
    "a",
    "a.",
    ".1",
    "a.-1",
    "a.01",
    "a.1.2",
    "a.1e3",
    "a b.1",
    "a.9007199254740992",
    `${"a".repeat(100)}.1`,
    "a.1\n",
    "a.1,",
    ",a.1",
    "a.5~",
    "a.5~A",
    "a.5~BA",
    "a.5~g",
    "a.3000~_____________B",
    `a.3000~${"V".repeat(205)}`,
    "a.5?B",
    "a.5.1",
    "a.5~B.0",
    "a.5~B.4",
    "a.5~.6",
    "a.5~B.1.0",
    "a.5~B.1.3",
    "a.5~B.0.1",
    "a.5~.1.1.1",
  ])("%j is none", (given) => {
    expect(parseCursor(given)).toBeUndefined();
  });
});

test("of what lies further behind than the window nobody knows, until it is settled", () => {
  const seen = Seen.upTo({ epoch: "E", offset: 10 });
  seen.mark(11 + WINDOW);
  expect(seen).toMatchObject({ settled: 10, floor: 11 });
  expect(seen.has(11)).toBe(false);
  seen.mark(11);
  expect(seen.has(11)).toBe(false);
  expect(seenText(seen)).toEndWith(".1");
  seen.settle(11);
  expect(seen.has(11)).toBe(true);
  expect(seen.has(12)).toBe(false);
  seen.mark(12);
  expect(seen).toMatchObject({ settled: 12, floor: 12 });
});

test("what has been seen above what nobody knows is remembered, however much it is", () => {
  const seen = Seen.upTo({ epoch: "E", offset: 10 });
  for (let number = 12; number <= 12 + 3 * WINDOW; number++) seen.mark(number);
  expect(seen).toMatchObject({ settled: 10, unknownTo: 11, floor: seen.offset });
  expect([11, 12, 13].map((number) => seen.has(number))).toEqual([false, true, true]);
  expect(seenText(seen)).toBe(`E.${seen.offset}~.1.${seen.offset - 11}`);
  seen.settle(11);
  expect(seenText(seen)).toBe(`E.${seen.offset}`);
});

test("a cursor is short where few numbers have been seen, or few are missing", () => {
  const [few, most] = [0, 1].map((parity) => {
    const seen = Seen.upTo({ epoch: "E", offset: 0 });
    for (let number = 1; number <= WINDOW; number++) {
      if ((number % 100 === 1) === (parity === 0)) seen.mark(number);
    }
    return seenText(seen).length;
  });
  expect(few).toBeLessThan(50);
  expect(most).toBeLessThan(50);
});

test("a cursor can be told what else has been seen, of the streams that it names", () => {
  const seen = [
    { epoch: "a", offset: 5 },
    { epoch: "b", offset: 3 },
    { epoch: "c", offset: 1 },
  ];
  expect(cursorWith("a.7~G,b.2", seen)).toBe("a.7~E,b.3");
  expect(cursorWith("b.2", [{ epoch: "b", offset: 4 }])).toBe("b.4~B");
  expect(cursorWith("no cursor", seen)).toBe("no cursor");
});
