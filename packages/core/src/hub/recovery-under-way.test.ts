import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import { arrive, RecoveryFixture, said, turns } from "../testing/recovery-fixture.ts";

type Worker = ReturnType<RecoveryFixture["worker"]>;

/** Counts the pages that a worker asks for from now on. */
function countPages({ broker }: ReturnType<RecoveryFixture["far"]>): { readonly asked: number } {
  const history = broker.history.bind(broker);
  const pages = { asked: 0 };
  broker.history = (app, channel, request) => {
    pages.asked++;
    return history(app, channel, request);
  };
  return pages;
}

function publish({ hub }: Worker, channel: string, ...data: readonly string[]): void {
  for (const each of data) hub.publishUnanswered(said(channel, each));
}

describe("while a history is on its way", () => {
  const begun = async (settings: ConstructorParameters<typeof RecoveryFixture>[0] = {}) => {
    const fixture = new RecoveryFixture(settings);
    const [near, far] = [fixture.worker(), fixture.far()];
    publish(near, "kept:a", "1");
    publish(near, "kept:b", "2");
    const subscriber = far.join("s");
    const { position } = fixture.local.node.history;
    const from = { ...position, offset: 0 };
    const outcome = far.begin(subscriber, [
      { channel: "kept:a", from },
      { channel: "kept:b", from },
    ]);
    // The node notes both channels, and is asked for both histories.
    for (let step = 0; step < 2; step++) far.broker.up.step();
    await turns();
    for (let step = 0; step < 2; step++) far.broker.down.step();
    await turns();
    expect(outcome).toEqual({});
    /** Nothing of it is left, in the hub or in the node. */
    const expectNothing = async () => {
      await arrive(far.broker);
      expect(near.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([]);
      expect(fixture.clock.pendingTimers).toBe(0);
    };
    return { fixture, near, far, subscriber, outcome, from, expectNothing };
  };

  test("one channel can be left, and the others begin", async () => {
    const { near, far, subscriber, outcome } = await begun();
    expect(far.hub.unsubscribe(subscriber, "kept:a")).toBe(true);
    expect(far.hub.unsubscribe(subscriber, "kept:a")).toBe(false);
    await arrive(far.broker);
    expect(outcome.isDone).toBe(true);
    expect(outcome.begun?.map(({ channel }) => channel)).toEqual(["kept:b"]);
    publish(near, "kept:a", "3");
    publish(near, "kept:b", "4");
    await arrive(far.broker);
    expect(subscriber.take()).toEqual(["begun", "kept:b 2 2", "kept:b 4 4"]);
    expect(near.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([
      { channel: "kept:b", subscribers: 1 },
    ]);
  });

  test("all can be left, and then nothing begins", async () => {
    const { far, subscriber, outcome, expectNothing } = await begun();
    for (const channel of ["kept:a", "kept:b"]) far.hub.unsubscribe(subscriber, channel);
    await arrive(far.broker);
    expect(outcome).toEqual({ error: expect.objectContaining({ errorName: "not_joined" }) });
    expect(subscriber.take()).toEqual([]);
    await expectNothing();
  });

  test("a client that goes leaves nothing behind", async () => {
    const { far, subscriber, outcome, expectNothing } = await begun();
    far.hub.unregister(subscriber);
    await arrive(far.broker);
    expect(outcome).toEqual({ error: expect.objectContaining({ errorName: "not_joined" }) });
    expect(subscriber.channels).toBeUndefined();
    expect(subscriber.take()).toEqual([]);
    await expectNothing();
  });

  test("the last subscriber can go, and the node goes on sending", async () => {
    const { near, far, subscriber } = await begun();
    const other = far.join("other");
    void far.hub.subscribe(other, "kept:a");
    far.hub.unregister(other);
    publish(near, "kept:a", "3");
    await arrive(far.broker);
    publish(near, "kept:a", "4");
    await arrive(far.broker);
    expect(subscriber.take()).toEqual([
      "begun",
      "kept:a 1 1",
      "kept:b 2 2",
      "kept:a 3 3",
      "kept:a 4 4",
    ]);
  });

  test("whoever subscribes again waits for it, and gets nothing twice", async () => {
    const { near, far, subscriber, from } = await begun();
    let isSubscribed = false;
    const subscribed = Promise.resolve(far.hub.subscribe(subscriber, "kept:a")).then(() => {
      isSubscribed = true;
    });
    const again = far.begin(subscriber, [{ channel: "kept:a", from }]);
    await turns();
    expect([isSubscribed, again]).toEqual([false, {}]);
    await arrive(far.broker);
    await subscribed;
    expect(again.begun).toEqual([{ channel: "kept:a", position: undefined, recovered: false }]);
    publish(near, "kept:a", "3");
    await arrive(far.broker);
    const all = ["begun", "kept:a 1 1", "kept:b 2 2", "begun", "kept:a 3 3"];
    expect(subscriber.take()).toEqual(all);
  });

  test("what is published counts as what waits for the client, which is cut when that is too much", async () => {
    const { near, far, subscriber, outcome, expectNothing } = await begun({ maxBytes: 1_000 });
    for (const data of ["3", "4", "5", "6"]) publish(near, "kept:a", data);
    for (const data of ["7", "8", "9", "10"]) publish(near, "kept:b", data);
    for (let step = 0; step < 8; step++) far.broker.down.step();
    expect(subscriber.cut).toBe(0);
    publish(near, "kept:b", "11", "12");
    await arrive(far.broker);
    expect(subscriber.cut).toBe(1);
    expect(outcome).toEqual({ error: expect.objectContaining({ errorName: "not_joined" }) });
    expect(subscriber.take()).toEqual([]);
    await expectNothing();
  });

  test("much more is too much as well, and the client is cut once", async () => {
    const { near, far, subscriber, expectNothing } = await begun({ maxBytes: 1_000 });
    publish(near, "kept:a", "3", "4", "5".repeat(5_000), "6");
    await arrive(far.broker);
    expect(subscriber.cut).toBe(1);
    await expectNothing();
  });

  test("what waited in a channel that was left does not count any more", async () => {
    const { near, far, subscriber, outcome } = await begun({ maxBytes: 1_000 });
    publish(near, "kept:a", "3", "4", "5", "6", "7");
    for (let step = 0; step < 5; step++) far.broker.down.step();
    far.hub.unsubscribe(subscriber, "kept:a");
    publish(near, "kept:b", "8", "9", "10", "11", "12");
    for (let step = 0; step < 5; step++) far.broker.down.step();
    await arrive(far.broker);
    expect([subscriber.cut, outcome.isDone]).toEqual([0, true]);
  });

  test("what is published between two pages keeps its place in the one order", async () => {
    const { near, far, subscriber } = await begun();
    far.broker.up.step();
    publish(near, "kept:a", "3");
    publish(near, "kept:b", "4");
    far.broker.down.step();
    far.broker.down.step();
    far.hub.relay("default", "kept:a", subscriber.format, "news");
    far.broker.up.step();
    publish(near, "kept:a", "5");
    await arrive(far.broker);
    const history = ["kept:a 1 1", "kept:b 2 2", "kept:a 3 3"];
    expect(subscriber.take()).toEqual(["begun", ...history, "news", "kept:b 4 4", "kept:a 5 5"]);
  });

  test("what the client says in one of many channels it does not hear itself", async () => {
    const fixture = new RecoveryFixture();
    const far = fixture.far();
    const [subscriber, other] = [far.join("s"), far.join("other")];
    const channels = Array.from({ length: 17 }, (_, n) => ({ channel: `kept:${n}` }));
    far.begin(other, channels);
    await arrive(far.broker);
    // The page of the last channel is asked for when another has come.
    far.begin(subscriber, channels);
    far.hub.publishUnanswered(said("kept:0", "own"), subscriber);
    await arrive(far.broker);
    expect(subscriber.take()).toEqual(["begun"]);
    expect(other.take()).toEqual(["begun", "kept:0 own 1"]);
  });

  test("questions that were lost with the link are asked again", async () => {
    const { far, subscriber, outcome } = await begun();
    const history = far.broker.history.bind(far.broker);
    far.handlers.missed();
    let lost = 0;
    far.broker.history = (app, channel, request) => {
      if (lost++ > 0) return history(app, channel, request);
      far.handlers.missed();
      return Promise.reject(new StarlingError("broker_unavailable")) as never;
    };
    await arrive(far.broker);
    expect(lost).toBe(4);
    expect(outcome.isDone).toBe(true);
    expect(subscriber.take()).toEqual(["begun", "kept:a 1 1", "kept:b 2 2"]);
  });

  test("only so many pages are on their way to one worker, whoever asks", async () => {
    const fixture = new RecoveryFixture();
    const far = fixture.far();
    const pages = countPages(far);
    far.begin(far.join("first"), [{ channel: "kept:a" }]);
    await arrive(far.broker);
    const outcomes = Array.from({ length: 40 }, (_, n) =>
      far.begin(far.join(`${n}`), [{ channel: "kept:a" }]),
    );
    await turns();
    expect(pages.asked).toBe(17);
    await arrive(far.broker);
    expect(pages.asked).toBe(41);
    expect(outcomes.every(({ isDone }) => isDone === true)).toBe(true);
  });

  test("who has gone before it has its turn asks for nothing", async () => {
    const fixture = new RecoveryFixture();
    const far = fixture.far();
    const pages = countPages(far);
    far.begin(far.join("first"), [{ channel: "kept:a" }]);
    await arrive(far.broker);
    const subscribers = Array.from({ length: 40 }, (_, n) => far.join(`${n}`));
    for (const subscriber of subscribers) far.begin(subscriber, [{ channel: "kept:a" }]);
    await turns();
    for (const subscriber of subscribers) far.hub.unregister(subscriber);
    const outcome = far.begin(far.join("last"), [{ channel: "kept:a" }]);
    await arrive(far.broker);
    expect(pages.asked).toBe(18);
    expect(outcome.isDone).toBe(true);
  });

  test("what is no publication, as news of members, arrives too", async () => {
    const { near, far, subscriber } = await begun();
    publish(near, "kept:a", "3");
    far.broker.down.step();
    far.hub.relay("default", "kept:a", subscriber.format, "news");
    await arrive(far.broker);
    const { delivered } = subscriber;
    expect(delivered.filter((frame) => frame === "news")).toEqual(["news"]);
    expect(delivered.indexOf("news")).toBeGreaterThan(delivered.indexOf("begun"));
  });

  test("a loss on the link is made up for", async () => {
    const { near, far, subscriber, outcome } = await begun();
    // The pages are on their way back when something behind them is lost.
    for (let step = 0; step < 2; step++) far.broker.up.step();
    publish(near, "kept:a", "3");
    far.broker.down.loseLast();
    publish(near, "kept:b", "4");
    far.handlers.missed();
    await arrive(far.broker);
    expect(outcome.isDone).toBe(true);
    expect(subscriber.closedFor).toBeUndefined();
    const all = ["begun", "kept:a 1 1", "kept:b 2 2", "kept:a 3 3", "kept:b 4 4"];
    expect(subscriber.take()).toEqual(all);
  });
});

describe("after a loss on the link", () => {
  test("members of channels from which one can recover get nothing more until they are closed", async () => {
    const fixture = new RecoveryFixture();
    const [near, far] = [fixture.worker(), fixture.far()];
    const member = far.join("member");
    far.begin(member, [{ channel: "kept:a" }, { channel: "plain" }]);
    await arrive(far.broker);
    far.handlers.missed();
    publish(near, "kept:a", "1");
    publish(near, "plain", "2");
    const late = far.join("late");
    far.begin(late, [{ channel: "kept:a", from: { last: 1 } }]);
    await arrive(far.broker);
    fixture.clock.advance(5_000);
    await turns();
    expect(member.take()).toEqual(["begun", "plain 2 -"]);
    expect(member.closedFor).toBe("messages_missed");
    far.hub.unregister(member);
    publish(near, "kept:a", "3");
    await arrive(far.broker);
    expect(late.take()).toEqual(["begun", "kept:a 1 1", "kept:a 3 2"]);
    expect(late.closedFor).toBeUndefined();
    expect(near.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([
      { channel: "kept:a", subscribers: 1 },
    ]);
  });

  test("somebody who is expected in a channel whose members are to be closed is told what comes", async () => {
    const fixture = new RecoveryFixture();
    const [near, far] = [fixture.worker(), fixture.far()];
    far.begin(far.join("member"), [{ channel: "kept:a" }]);
    await arrive(far.broker);
    far.handlers.missed();
    void far.hub.expect("default", "kept:a");
    await arrive(far.broker);
    expect(near.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([
      { channel: "kept:a", subscribers: 1 },
    ]);
  });

  test("a channel whose members are all to be closed begins anew with the next", async () => {
    const fixture = new RecoveryFixture();
    const [near, far] = [fixture.worker(), fixture.far()];
    const members = [far.join("1"), far.join("2")];
    for (const member of members) far.begin(member, [{ channel: "kept:a" }]);
    await arrive(far.broker);
    far.handlers.missed();
    for (const [index, member] of members.entries()) {
      far.hub.unregister(member);
      const next = far.join(`next ${index}`);
      far.begin(next, [{ channel: "kept:a" }]);
      await arrive(far.broker);
      publish(near, "kept:a", "x");
      await arrive(far.broker);
      expect(next.take()).toHaveLength(2);
    }
    expect(near.broker.channels("default", { prefix: "", limit: 9 }).channels).toEqual([
      { channel: "kept:a", subscribers: 2 },
    ]);
  });
});

describe("a channel that somebody is expected in", () => {
  test("stays open while a history is on its way, and whoever has come is not expected any more", async () => {
    const fixture = new RecoveryFixture();
    const [near, far] = [fixture.worker(), fixture.far()];
    const subscriber = far.join("s");
    void far.hub.expect("default", "kept:a");
    far.begin(subscriber, [{ channel: "kept:a" }]);
    fixture.clock.advance(10_000);
    await arrive(far.broker);
    publish(near, "kept:a", "1");
    await arrive(far.broker);
    expect(subscriber.take()).toEqual(["begun", "kept:a 1 1"]);
    void far.hub.expect("default", "kept:b");
    const leaving = far.join("leaving");
    far.begin(leaving, [{ channel: "kept:b" }]);
    far.hub.unregister(leaving);
    await arrive(far.broker);
    const channels = () => near.broker.channels("default", { prefix: "kept:b", limit: 9 }).channels;
    expect(channels()).toEqual([{ channel: "kept:b", subscribers: 1 }]);
    fixture.clock.advance(10_000);
    await arrive(far.broker);
    expect(channels()).toEqual([]);
    expect(fixture.clock.pendingTimers).toBe(0);
  });
});
