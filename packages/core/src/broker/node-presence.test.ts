import { beforeEach, describe, expect, test } from "bun:test";
import type { Answer } from "../answer.ts";
import { RecordingObserver } from "../testing/recording-observer.ts";
import type { PresenceEvent } from "./broker.ts";
import { NodePresence, type OtherNodes } from "./node-presence.ts";

const APP = "app";

/** Other nodes that answer when the test says so. */
class Others implements OtherNodes {
  readonly log: string[] = [];
  answer: Answer<void> = undefined;

  present(_app: string, channel: string, event: PresenceEvent): void {
    this.log.push(`${event.type} ${channel}`);
  }
  watch(_app: string, channel: string): Answer<void> {
    this.log.push(`watch ${channel}`);
    return this.answer;
  }
  unwatch(_app: string, channel: string): void {
    this.log.push(`unwatch ${channel}`);
  }
  look(_app: string, channel: string): Answer<void> {
    this.log.push(`look ${channel}`);
    return this.answer;
  }
}

function join(connection: string, since = 1): PresenceEvent {
  const member = { connection, clientId: connection, user: undefined, state: undefined, since };
  return { type: "join", member };
}

const [worker, other, node] = [{ name: "worker" }, { name: "other" }, { name: "node" }];
let told: string[];
let others: Others;
let presence: NodePresence<{ name: string }>;

beforeEach(() => {
  told = [];
  others = new Others();
  presence = new NodePresence((watcher, _app, channel, event) => {
    const connection = event.type === "join" ? event.member.connection : event.connection;
    told.push(`${watcher.name}: ${event.type} ${connection} in ${channel}`);
  });
  presence.join(others);
});

test("other nodes are told of the members of this one, and not of their own", async () => {
  await presence.watch(worker, APP, "a");
  presence.present(other, APP, "a", join("1"));
  presence.show(node, APP, "a", join("2"));
  // Nobody's member.
  presence.present(other, APP, "a", { type: "leave", connection: "2" });
  presence.forget(other);
  presence.hide(node);
  expect(others.log).toEqual(["watch a", "join a", "leave a"]);
  expect(told).toEqual([
    "worker: join 1 in a",
    "worker: join 2 in a",
    "worker: leave 1 in a",
    "worker: leave 2 in a",
  ]);
});

test("another node cannot take a member of this one away", async () => {
  presence.present(worker, APP, "a", join("1"));
  presence.show(node, APP, "a", join("1"));
  presence.hide(node);
  expect(await presence.members(APP, "a")).toHaveLength(1);
});

test("an observer hears of the members of this node alone, once each, with what they left as", async () => {
  const observer = new RecordingObserver();
  presence = new NodePresence(() => {}, observer);
  presence.join(others);
  await presence.watch(worker, APP, "a");
  presence.show(node, APP, "a", join("shown"));
  presence.show(node, APP, "a", { type: "rename", connection: "shown", clientId: "other" });
  presence.show(node, APP, "a", { type: "leave", connection: "shown" });
  presence.show(node, APP, "a", join("hidden"));
  presence.hide(node);
  expect(observer.take()).toEqual([]);
  presence.present(worker, APP, "a", join("1"));
  presence.present(other, APP, "a", join("1"));
  presence.show(node, APP, "a", join("1"));
  presence.present(other, APP, "a", { type: "rename", connection: "1", clientId: "new" });
  presence.hide(node);
  presence.forget(worker);
  expect(observer.take()).toEqual(["joined app a 1 1"]);
  presence.forget(other);
  expect(observer.take()).toEqual(["left app a 1 new"]);
});

test("a member that another node was thought to have joins when it is this one's, and leaves once", () => {
  const observer = new RecordingObserver();
  presence = new NodePresence(() => {}, observer);
  presence.show(node, APP, "a", join("1"));
  presence.present(worker, APP, "a", join("1"));
  presence.hide(node);
  expect(observer.take()).toEqual(["joined app a 1 1"]);
  presence.forget(worker);
  expect(observer.take()).toEqual(["left app a 1 1"]);
});

test("an observer hears of a member before those who watch", async () => {
  const heard: string[] = [];
  const observer = {
    joined: () => void heard.push("observer: joined"),
    left: () => void heard.push("observer: left"),
  };
  presence = new NodePresence((_watcher, _app, _channel, { type }) => {
    heard.push(`watcher: ${type}`);
  }, observer);
  await presence.watch(other, APP, "a");
  presence.present(worker, APP, "a", join("1"));
  presence.forget(worker);
  expect(heard).toEqual(["observer: joined", "watcher: join", "observer: left", "watcher: leave"]);
});

test("members are in the order in which they joined, wherever they are", async () => {
  presence.present(worker, APP, "a", join("late", 9));
  presence.show(node, APP, "a", join("early", 2));
  const members = await presence.members(APP, "a");
  expect(members.map(({ connection }) => connection)).toEqual(["early", "late"]);
  expect(await presence.stats(APP, "a")).toEqual({ members: 2, users: 2 });
});

describe("a worker that waits for the members of other nodes", () => {
  let arrive: () => void;
  beforeEach(() => {
    const { promise, resolve } = Promise.withResolvers<void>();
    others.answer = promise;
    arrive = resolve;
  });

  test("is told of none of them before it has its answer, and they are in it", async () => {
    const answer = presence.watch(worker, APP, "a");
    presence.show(node, APP, "a", join("1"));
    expect(told).toEqual([]);
    arrive();
    expect(await answer).toMatchObject([{ connection: "1" }]);
    presence.show(node, APP, "a", { type: "leave", connection: "1" });
    expect(told).toEqual(["worker: leave 1 in a"]);
  });

  test("and unwatches meanwhile is told of nothing, and keeps nothing", async () => {
    const answer = presence.watch(worker, APP, "a");
    presence.unwatch(worker, APP, "a");
    arrive();
    expect(await answer).toEqual([]);
    presence.show(node, APP, "a", join("1"));
    expect(told).toEqual([]);
    presence.hide(node);
    expect(presence.size).toBe(0);
    expect(others.log).toEqual(["watch a", "unwatch a"]);
  });

  test("and unwatches and watches again watches once", async () => {
    const first = presence.watch(worker, APP, "a");
    presence.unwatch(worker, APP, "a");
    const second = presence.watch(worker, APP, "a");
    presence.show(node, APP, "a", join("1"));
    arrive();
    expect(await first).toEqual([]);
    expect(await second).toMatchObject([{ connection: "1" }]);
    presence.unwatch(worker, APP, "a");
    presence.hide(node);
    expect(presence.size).toBe(0);
  });

  test("and is gone meanwhile keeps nothing, and the channel is wanted no more", async () => {
    const answer = presence.watch(worker, APP, "a");
    presence.forget(worker);
    arrive();
    expect(await answer).toEqual([]);
    expect(presence.size).toBe(0);
    expect(others.log).toEqual(["watch a", "unwatch a"]);
  });

  test("keeps the channel wanted while another one leaves it", async () => {
    const first = presence.watch(worker, APP, "a");
    const second = presence.watch(other, APP, "a");
    presence.unwatch(other, APP, "a");
    expect(others.log).toEqual(["watch a", "watch a"]);
    arrive();
    await Promise.all([first, second]);
    presence.unwatch(worker, APP, "a");
    expect(others.log).toEqual(["watch a", "watch a", "unwatch a"]);
  });
});
