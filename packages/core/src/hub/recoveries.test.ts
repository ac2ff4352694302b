import { expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { HistoryPage } from "../broker/stream.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { LocalNode } from "../testing/local-node.ts";
import { TestSubscriber } from "../testing/test-subscriber.ts";
import { Channels } from "./channels.ts";
import { Counters } from "./counters.ts";
import type { AppConfig } from "./namespace.ts";
import type { Publication } from "./publication.ts";
import { Recoveries } from "./recoveries.ts";

test("a recovery is forgotten when it has ended, whichever way", async () => {
  const clock = new FakeClock();
  const apps = new Map<string, AppConfig>([["default", { namespaces: new Map() }]]);
  const { broker } = LocalNode.alone({ clock, apps });
  const pages: PromiseWithResolvers<HistoryPage<Publication>>[] = [];
  const history = () => {
    const page = Promise.withResolvers<HistoryPage<Publication>>();
    pages.push(page);
    return page.promise;
  };
  const channels = new Channels({ clock, broker, apps });
  const recoveries = new Recoveries({
    clock,
    counters: new Counters(),
    broker: { history, isOrdered: true },
    apps,
    channels,
    maxBytes: 1_000,
  });
  const subscriber = new TestSubscriber("s");
  const start = (channel: string) =>
    Promise.resolve(recoveries.start(subscriber, [{ channel }], undefined, { begun() {} }));
  const [live, failed] = [start("a"), start("b")];
  const cancelled = start("c");
  const ends = Promise.allSettled([live, failed, cancelled]);
  expect([recoveries.size, recoveries.count(subscriber)]).toEqual([1, 3]);
  const position = { epoch: "e", offset: 0 };
  pages[0]?.resolve({ position, entries: [], isComplete: true, hasMore: false });
  await live;
  expect([recoveries.size, recoveries.count(subscriber)]).toEqual([1, 2]);
  pages[1]?.reject(new StarlingError("broker_unavailable"));
  await expect(failed).rejects.toThrow();
  expect([recoveries.size, recoveries.count(subscriber)]).toEqual([1, 1]);
  recoveries.cancel(subscriber);
  expect(recoveries.count(subscriber)).toBe(0);
  pages[2]?.resolve({ position, entries: [], isComplete: true, hasMore: false });
  expect((await ends).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(recoveries.size).toBe(0);
});
