import { expect, test } from "bun:test";
import fc from "fast-check";
import { WireError } from "../broker/ipc/wire-error.ts";
import { Codec } from "./codec.ts";
import { Dots } from "./dots.ts";
import type { Message } from "./messages.ts";

const state = Uint8Array.of(1, 2, 3);
const member = { connection: "c1", clientId: "ä", user: "u", state, since: 5 };
const other = { connection: "c2", clientId: "b", user: undefined, state: undefined, since: 6 };
const told: Message = {
  type: "told",
  parts: [
    {
      app: "app",
      channel: "room",
      place: undefined,
      heard: Dots.range(4, 9),
      context: Dots.of([2, 4, 5, 6, 7, 8, 9]),
      entries: [
        { dot: 7, member, isOnline: true },
        { dot: 9, member: other, isOnline: false },
      ],
      news: [
        { dot: 4, connection: "c1", type: "join" },
        { dot: 5, connection: "c1", type: "online", payload: state },
        { dot: 6, connection: "c1", type: "state", clientId: "before", state: Uint8Array.of(9) },
        { dot: 7, connection: "c1", type: "state", clientId: "ä", state },
        { dot: 8, connection: "c3", type: "leave" },
        { dot: 9, connection: "c2", type: "rename", clientId: "b" },
      ],
    },
    {
      app: "app",
      channel: "long",
      place: { answer: 3, index: 2, isLast: false },
      heard: Dots.none(),
      context: Dots.range(1, 2 ** 40),
      entries: [],
      news: [],
    },
  ],
};
const messages: Message[] = [
  told,
  { type: "bye" },
  { type: "compare" },
  {
    type: "beat",
    ...{ node: "eu-1", since: 1_767_225_600_000, sequence: 7, now: 12, channels: 3, isHello: true },
    about: '{"load":0.5}',
    changes: [[2 ** 48 - 1, 12]],
  },
  {
    type: "ask",
    number: 4,
    isUrgent: true,
    wants: [{ app: "a", channel: "b", known: { floor: 3, context: Dots.of([1, 2, 3, 7]) } }],
  },
  { type: "digest", now: 9, low: 0, high: 2 ** 48 - 1, marks: [[5, 6]] },
];

test.each(messages.map((message) => [message.type, message] as const))(
  "a message of the kind %s is read as it was written",
  (_type, message) => {
    const codec = new Codec();
    const bytes = codec.encode("start", message);
    expect(new Codec().decode(bytes)).toEqual({ start: "start", message });
  },
);

test("a state that the entry says as well is written once", () => {
  const codec = new Codec();
  const large = { ...member, state: new Uint8Array(1_000) };
  const dots = Dots.range(1, 1);
  const news = {
    dot: 1,
    connection: "c1",
    type: "state",
    clientId: "ä",
    state: large.state,
  } as const;
  const entries = [{ dot: 1, member: large, isOnline: true }];
  const place = undefined;
  const part = { app: "a", channel: "b", place, heard: dots, context: dots, entries, news: [news] };
  expect(codec.encode("s", { type: "told", parts: [part] }).length).toBeLessThan(1_100);
});

test("whatever else arrives is refused, and nothing worse", () => {
  const codec = new Codec();
  const written = messages.map((message) => codec.encode("start", message));
  const damaged = fc.tuple(
    fc.constantFrom(...written),
    fc.nat(),
    fc.integer({ min: 0, max: 255 }),
    fc.nat(),
  );
  fc.assert(
    fc.property(damaged, ([bytes, at, value, end]) => {
      const bad = bytes.slice(0, 1 + (end % bytes.length));
      bad[at % bad.length] = value;
      try {
        codec.decode(bad);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("an entry that its context does not hold is refused", () => {
  const codec = new Codec();
  const dots = Dots.range(1, 1);
  const entries = [{ dot: 2, member, isOnline: true }];
  const part = {
    app: "a",
    channel: "b",
    place: undefined,
    heard: dots,
    context: dots,
    entries,
    news: [],
  };
  const bytes = codec.encode("s", { type: "told", parts: [part] });
  expect(() => codec.decode(bytes)).toThrow(WireError);
});
