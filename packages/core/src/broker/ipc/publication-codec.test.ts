import { expect, test } from "bun:test";
import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import type { Publication } from "../../hub/publication.ts";
import { SignalledPublication } from "../../hub/signalled-publication.ts";
import { readPublications, writePublication } from "./publication-codec.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

function passed(publication: Publication, channels: readonly string[]): readonly Publication[] {
  const writer = new Writer();
  writePublication(writer, publication);
  const bytes = writer.cut();
  const reader = new Reader().reset(bytes, 0, bytes.length);
  const publications = readPublications(reader, publication.app, channels);
  expect(reader.isAtEnd).toBe(true);
  // The bytes were lent.
  bytes.fill(0xff);
  return publications;
}

test("a publication arrives as it was, in each of its channels, and says no more than it did", () => {
  const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
  const bytes = fc.uint8Array({ maxLength: 100 });
  fc.assert(
    fc.property(
      fc.record({
        id: optional(fc.maxSafeNat()),
        event: fc.string({ unit: "grapheme" }),
        data: fc.string({ unit: "grapheme", maxLength: 200 }),
        publisher: optional(fc.string()),
        payload: optional(bytes),
        attachments: optional(fc.array(bytes, { maxLength: 3 })),
      }),
      fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 4 }),
      ({ publisher, payload, attachments, ...always }, channels) => {
        const publication: Publication = {
          ...always,
          app: "app",
          channel: "any",
          ...(publisher === undefined ? {} : { publisher }),
          ...(payload === undefined ? {} : { payload }),
          ...(attachments === undefined ? {} : { attachments }),
        };
        const expected = channels.map((channel) => ({ ...publication, channel }));
        expect(passed(publication, channels)).toEqual(expected);
      },
    ),
  );
});

test("the payload of a signalling client is not looked into on the way", () => {
  const payload = encode({ event: "message", data: '{"a":1}' });
  class Watched extends SignalledPublication {
    override get event(): string {
      throw new Error("it was read");
    }
  }
  const [first, second] = passed(new Watched("app", "any", "me", payload, 7), ["a", "b"]);
  expect(first).toBeInstanceOf(SignalledPublication);
  for (const [channel, each] of [
    ["a", first],
    ["b", second],
  ] as const) {
    expect([each?.channel, each?.id, each?.publisher]).toEqual([channel, 7, "me"]);
    expect([...(each?.payload ?? [])]).toEqual([...payload]);
    expect([each?.event, each?.data]).toEqual(["message", '{"a":1}']);
  }
});
