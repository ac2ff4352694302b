import { describe, expect, test } from "bun:test";
import type { NodeObserver } from "../observer.ts";
import { describeCalls } from "./calls.ts";
import type { SetUpBroker } from "./fixture.ts";
import { describeHistory } from "./history.ts";
import { describeHistoryLinks } from "./history-links.ts";
import { describeHistoryPages } from "./history-pages.ts";
import { describeKeys } from "./keys.ts";
import { describeLimits } from "./limits.ts";
import { describeLinks } from "./links.ts";
import { describeObserving, describeObservingLinks } from "./observing.ts";
import { describePresence } from "./presence.ts";
import { describePublishing } from "./publishing.ts";
import { settings } from "./settings.ts";
import { answered, delivery, join } from "./worker.ts";

export interface BrokerSuiteOptions {
  /** Whether the fixtures have links that can be cut. */
  readonly hasLinks: boolean;
  /** Whether the node keeps what channels keep, and each delivery says how much; default `true`. */
  readonly keepsInNode?: boolean;
}

/** The guarantees of the broker port, as tests that every implementation passes. */
export function describeBroker(
  name: string,
  setUpBroker: SetUpBroker,
  { hasLinks, keepsInNode = true }: BrokerSuiteOptions,
): void {
  const setUp = () => setUpBroker(settings);
  describe(`${name}: publishing`, () => describePublishing(setUp));
  if (keepsInNode) {
    describe(`${name}: history`, () => describeHistory(setUp));
    describe(`${name}: pages of a history`, () => {
      describeHistoryPages((more) => setUpBroker({ ...settings, ...more }));
    });
  }
  describe(`${name}: presence`, () => describePresence(setUp));
  describe(`${name}: an observer`, () => {
    const setUpObserved = (observer: NodeObserver) => setUpBroker({ ...settings, observer });
    describeObserving(setUpObserved);
    if (hasLinks) describeObservingLinks(setUpObserved);
  });
  describe(`${name}: keys`, () => describeKeys(setUp));
  describe(`${name}: limits`, () => describeLimits(setUp));
  describe(`${name}: calls`, () => describeCalls(setUp));
  if (hasLinks) {
    const setUpLinks = async () => {
      const fixture = await setUp();
      const { links } = fixture;
      if (links === undefined) throw new Error("this fixture has no links to cut");
      return Object.assign(fixture, { links });
    };
    describe(`${name}: links`, () => describeLinks(setUpLinks));
    describe(`${name}: history over links`, () => describeHistoryLinks(setUpLinks));
  }

  test(`${name}: when all workers have left, nothing of them is held`, async () => {
    const fixture = await setUp();
    const workers = [await join(fixture), await join(fixture)];
    for (const { broker } of workers) {
      const { worker } = broker;
      const connection = `${worker}`;
      const member = { connection, clientId: "c", user: undefined, state: undefined, since: 1 };
      void broker.interest("small", "a", 1);
      broker.present("default", "a", { type: "join", member });
      broker.connected("default", connection, undefined);
      await answered(fixture, () => broker.watch("default", "a"));
      await answered(fixture, () => broker.admit("small"));
      await answered(fixture, () => broker.reserve([{ key: connection, fingerprint: "request" }]));
      await answered(fixture, () => broker.publish(delivery("a", "1")));
    }
    expect(fixture.held()).toBeGreaterThan(0);
    for (const { broker } of workers) await fixture.leave(broker);
    expect(fixture.held()).toBe(0);
  });
}
