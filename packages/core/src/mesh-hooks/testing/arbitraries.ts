import fc from "fast-check";
import type { Change, Fact, LogRecord } from "../facts.ts";
import type { Entry, Piece, Step } from "../ledger.ts";
import type { HookMessage } from "../messages.ts";

const text = fc.string({ maxLength: 12 });
const number = fc.nat();
const user = fc.option(text, { nil: undefined });

export const fact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({ kind: fc.constant("channel"), app: text, channel: text }),
  fc.record({
    ...{ kind: fc.constant("member"), app: text, channel: text, connection: text },
    ...{ clientId: text, user },
  }),
  fc.record({ kind: fc.constant("connection"), app: text, connection: text, user }),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ op: fc.constantFrom("on", "off"), fact }),
  fc.record({ op: fc.constantFrom("ended", "emptied"), fact }),
  fc.record({ op: fc.constant("doubted"), start: text }),
);

const record: fc.Arbitrary<LogRecord> = fc.record({ seq: number, at: number, change });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constantFrom("on", "off"), fact }),
  fc.record({ op: fc.constantFrom("ended", "again"), fact }),
  fc.record({ op: fc.constant("vacated"), app: text, channel: text }),
  fc.record({ op: fc.constantFrom("known", "gone") }),
  fc.record({ op: fc.constant("settled"), upTo: number }),
);

const entry: fc.Arbitrary<Entry> = fc.record({ at: number, start: text, seq: number, step });

const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({
    ...{ is: fc.constant("origin"), start: text, position: number, settled: number },
    isGone: fc.boolean(),
  }),
  fc.record({ is: fc.constant("fact"), start: text, fact }),
  fc.record({ is: fc.constant("lingering"), app: text, channel: text }),
  fc.record({
    is: fc.constant("pending"),
    pending: fc.record({ number, id: text, at: number, fact, holds: fc.boolean() }),
  }),
);

const place = { index: number, isLast: fc.boolean() };

/** Anything that a node can say. */
export const hookMessage: fc.Arbitrary<HookMessage> = fc.oneof(
  fc.record({
    ...{ type: fc.constant("beat"), since: number, sends: text, log: text, number, last: number },
    ...{ isHello: fc.boolean(), isLeaving: fc.boolean() },
  }),
  fc.record({ type: fc.constant("lead"), log: text, former: text, number }),
  fc.record({
    ...{ type: fc.constant("ask"), log: text, wantsFacts: fc.boolean() },
    position: fc.option(number, { nil: undefined }),
  }),
  fc.record({
    ...{ type: fc.constant("records"), log: text, before: number, records: fc.array(record) },
  }),
  fc.record({ type: fc.constant("facts"), log: text, at: number, ...place, facts: fc.array(fact) }),
  fc.record({
    ...{ type: fc.constant("entries"), log: text, first: number, entries: fc.array(entry) },
  }),
  fc.record({ type: fc.constant("want"), log: text }),
  fc.record({ type: fc.constant("state"), log: text, number, ...place, pieces: fc.array(piece) }),
);
