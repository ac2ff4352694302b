import { expect, test } from "bun:test";
import fc from "fast-check";
import { Cursor, MAX_STREAMS, parseCursor } from "../../hub/cursor.ts";
import type { Position } from "../../hub/position.ts";
import { type ChannelStart, resumptions, Standing, type StandingState } from "./standing.ts";

const epoch = "e";
const at = (offset: number) => ({ epoch, offset });

/** From where each channel goes on, where everything up to a position has been seen. */
function startsBehind(state: StandingState, position: Position | undefined) {
  const found = resumptions(state, position && Cursor.behind(position));
  return found?.map(({ channel, start, seen }): ChannelStart => {
    const offset = Math.max(start?.offset ?? 0, seen?.offset ?? 0);
    return [channel, start && { ...start, offset }];
  });
}

const channel = fc.constantFrom("a", "b", "c");
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant("publish" as const), channel }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("subscribe" as const), channel }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("since" as const), channel, back: fc.nat(10) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unsubscribe" as const), channel }) },
);

/** A stream, and a connection that hears of it what it is subscribed to. */
class Model {
  readonly standing = Standing.fresh("pid");
  /** Where each publication of a channel stands. */
  readonly published = new Map<string, number[]>();
  /** What the connection was sent, in that order. */
  readonly sent: { readonly channel: string; readonly offset: number }[] = [];
  /** Where each subscription begins: its place in the stream, and in what was sent. */
  readonly begun = new Map<string, { readonly start: number; readonly sent: number }>();
  offset = 0;

  publish(name: string): void {
    this.offset++;
    this.of(name).push(this.offset);
    if (this.begun.has(name)) this.sent.push({ channel: name, offset: this.offset });
  }

  subscribe(name: string, start: number): void {
    if (this.begun.has(name)) return;
    this.begun.set(name, { start, sent: this.sent.length });
    this.standing.beginning();
    this.standing.add(name, at(start));
    for (const offset of this.after(name, start)) this.sent.push({ channel: name, offset });
    this.standing.begun(start < this.offset ? [at(this.offset)] : []);
  }

  unsubscribe(name: string): void {
    this.begun.delete(name);
    this.standing.remove(name);
  }

  after(name: string, start: number): number[] {
    return this.of(name).filter((offset) => offset > start);
  }

  of(name: string): number[] {
    const offsets = this.published.get(name) ?? [];
    this.published.set(name, offsets);
    return offsets;
  }
}

test("what a client goes on from leaves out nothing that it has not seen, and repeats nothing", () => {
  let certain = 0;
  let runs = 0;
  fc.assert(
    fc.property(
      fc.array(channel, { maxLength: 10 }),
      fc.array(step, { maxLength: 30 }),
      fc.nat(),
      fc.option(fc.nat(12), { nil: undefined }),
      (before, steps, cut, stale) => {
        const model = new Model();
        for (const each of before) model.publish(each);
        const earlier = stale === undefined || stale > model.offset ? undefined : at(stale);
        for (const each of steps) {
          if (each.type === "publish") model.publish(each.channel);
          else if (each.type === "unsubscribe") model.unsubscribe(each.channel);
          else {
            const back = each.type === "since" ? each.back : 0;
            model.subscribe(each.channel, Math.max(0, model.offset - back));
          }
        }
        const seen = model.sent.slice(0, cut % (model.sent.length + 1));
        const last = seen.at(-1);
        const cursor = last === undefined ? earlier : at(last.offset);
        const { state } = model.standing;
        const starts = state === undefined ? undefined : startsBehind(state, cursor);
        runs++;
        if (starts === undefined) return;
        certain++;
        expect(new Set(starts.map(([name]) => name))).toEqual(new Set(model.begun.keys()));
        for (const [name, start] of starts) {
          const begun = model.begun.get(name) ?? { start: 0, sent: 0 };
          const had = seen.filter((each, index) => each.channel === name && index >= begun.sent);
          const offsets = new Set(had.map(({ offset }) => offset));
          const missing = model.after(name, begun.start).filter((offset) => !offsets.has(offset));
          expect(model.after(name, start?.offset ?? 0)).toEqual(missing);
        }
      },
    ),
    { numRuns: 3_000 },
  );
  expect(certain).toBeGreaterThan(runs / 2);
});

test("nothing is known while a channel is being added, nor of who missed something", () => {
  const standing = Standing.fresh("pid");
  expect(standing.state).toMatchObject({ pid: "pid", starts: [] });
  standing.beginning();
  standing.beginning();
  standing.begun();
  expect(standing.state).toBeUndefined();
  standing.begun();
  expect(standing.state).toBeDefined();
  standing.break();
  expect(standing.state).toBeUndefined();
});

test("a cursor from before this connection, or of another stream, says that nothing of it was seen", () => {
  const standing = Standing.fresh("pid");
  standing.beginning();
  standing.add("a", at(3));
  standing.add("volatile", undefined);
  standing.begun([at(9)]);
  const { state } = standing;
  if (state === undefined) throw new Error("nothing is under way");
  const asIs: ChannelStart[] = [
    ["a", at(3)],
    ["volatile", undefined],
  ];
  expect(startsBehind(state, { epoch: "other", offset: 5 })).toEqual(asIs);
  expect(startsBehind(state, at(3))).toEqual(asIs);
  expect(startsBehind(state, at(9))).toBeUndefined();
  expect(startsBehind(state, at(10))).toEqual([
    ["a", at(10)],
    ["volatile", undefined],
  ]);
});

test("each stream of a cursor is looked at by itself", () => {
  const standing = Standing.fresh("pid");
  const of = (name: string, offset: number) => ({ epoch: name, offset });
  standing.add("a", of("E1", 3));
  standing.beginning();
  standing.add("b", of("E2", 5));
  standing.begun([of("E2", 8)]);
  const { state } = standing;
  if (state === undefined) throw new Error("nothing is under way");
  const behind = (text: string) =>
    resumptions(state, parseCursor(text))?.map(({ seen }) => seen?.offset);
  expect(behind("E1.9")).toEqual([9, undefined]);
  expect(behind("E1.3,E2.9")).toEqual([undefined, 9]);
  expect(behind("E2.9,E1.9")).toEqual([9, 9]);
  expect(behind("E1.9,E2.8")).toBeUndefined();
  const others = Array.from({ length: MAX_STREAMS - 1 }, (_, index) => `X${index}.1`).join(",");
  expect(behind(`E1.9,${others}`)).toBeUndefined();
  expect(behind(`E1.9,${others}`.replace(",X0.1", ""))).toEqual([9, undefined]);
});
