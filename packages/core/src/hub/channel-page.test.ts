import { expect, test } from "bun:test";
import fc from "fast-check";
import { channelPage } from "./channel-page.ts";

const names = fc.uniqueArray(
  fc.string({ unit: fc.constantFrom("a", "b", "é", "😀"), maxLength: 4 }),
  {
    maxLength: 60,
  },
);

test("a page is what sorting and cutting everything gives", () => {
  fc.assert(
    fc.property(
      names,
      fc.constantFrom("", "a", "ab", "é"),
      fc.integer({ min: 1, max: 7 }),
      fc.option(fc.constantFrom("a", "ab", "b", "é"), { nil: undefined }),
      (all, prefix, limit, cursor) => {
        const summaries = all.map((channel) => ({ channel, subscribers: channel.length }));
        const matching = all
          .filter((name) => name.startsWith(prefix) && (cursor === undefined || name > cursor))
          .sort();
        const page = channelPage(summaries, { prefix, limit, cursor });
        expect(page.channels.map(({ channel }) => channel)).toEqual(matching.slice(0, limit));
        expect(page.next).toBe(matching.length > limit ? (matching[limit - 1] ?? null) : null);
      },
    ),
    { numRuns: 500 },
  );
});

test("following the cursor visits every channel once", () => {
  fc.assert(
    fc.property(names, fc.integer({ min: 1, max: 7 }), (all, limit) => {
      const summaries = all.map((channel) => ({ channel, subscribers: 1 }));
      const visited: string[] = [];
      let cursor: string | undefined;
      do {
        const page = channelPage(summaries, { prefix: "", limit, cursor });
        visited.push(...page.channels.map(({ channel }) => channel));
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      expect(visited).toEqual([...all].sort());
    }),
  );
});
