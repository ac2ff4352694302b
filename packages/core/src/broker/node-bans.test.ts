import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import { type Ban, mergedBan } from "../bans/ban.ts";
import type { BanStore } from "../bans/ban-store.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { NodeBans } from "./node-bans.ts";

const APP = "default";
const MINUTE = 60_000;

/** Keeps one ban of each user, when it is let. */
class GuardedStore implements BanStore {
  readonly kept = new Map<string, Ban>();
  readonly #loaded = Promise.withResolvers<void>();
  readonly loaded = this.#loaded.promise;
  /** What has to happen before anything is kept. */
  gate: Promise<void> = Promise.resolve();

  load(): void {
    this.#loaded.resolve();
  }

  async keep(_app: string, user: string, next: (kept: Ban | undefined) => Ban): Promise<Ban> {
    await this.gate;
    const ban = next(this.kept.get(user));
    this.kept.set(user, ban);
    return ban;
  }
}

function setUp() {
  const clock = new FakeClock();
  const [told, said]: [Ban[], Ban[]] = [[], []];
  const bans = new NodeBans({
    ...{ clock, name: "here" },
    tell: (news) => void told.push(...news),
    said: (ban) => void said.push(ban),
  });
  return { clock, bans, told, said, until: clock.now() + MINUTE };
}

describe("bans of a node that keeps them", () => {
  test("hold when they are kept, and nobody hears of one before that", async () => {
    const { bans, told, said, until } = setUp();
    const [store, gate] = [new GuardedStore(), Promise.withResolvers<void>()];
    bans.keepIn(store);
    store.gate = gate.promise;
    const saying = bans.say(APP, "ada", until);
    expect([bans.list.has(APP, "ada"), told, said]).toEqual([false, [], []]);
    gate.resolve();
    await saying;
    expect(bans.list.has(APP, "ada")).toBe(true);
    expect([told, said]).toEqual([[...store.kept.values()], [...store.kept.values()]]);
  });

  test("are as they were where one cannot be kept, and who says it is told", async () => {
    const { bans, told, said, until } = setUp();
    const store = new GuardedStore();
    bans.keepIn(store);
    await bans.say(APP, "ada", until);
    store.gate = Promise.reject(new StarlingError("broker_unavailable"));
    const refused = expect.objectContaining({ errorName: "broker_unavailable" });
    for (const [user, end] of [
      ["bob", until],
      ["ada", 0],
    ] as const) {
      await Promise.resolve(bans.say(APP, user, end)).catch((error) =>
        expect(error).toEqual(refused),
      );
    }
    expect(bans.list.ofApp(APP).map(({ user }) => user)).toEqual(["ada"]);
    expect([told.length, said.length]).toEqual([1, 1]);
  });

  test("are newer than what was kept, also where that comes from a clock that is ahead", async () => {
    const { clock, bans, told, until } = setUp();
    const store = new GuardedStore();
    bans.keepIn(store);
    const ahead = { app: APP, user: "ada", until, keptUntil: until, by: "there" };
    const kept = { ...ahead, stamp: clock.now() + MINUTE };
    store.kept.set("ada", kept);
    await bans.say(APP, "ada", 0);
    const lifted = store.kept.get("ada") ?? kept;
    expect([lifted.until, mergedBan(kept, lifted)]).toEqual([0, lifted]);
    // Workers are told of what holds in the end.
    expect(told).toEqual([kept, lifted]);
    expect(bans.list.has(APP, "ada")).toBe(false);
  });

  test("are told to workers that start when those are known that were kept", async () => {
    const { bans, until } = setUp();
    const store = new GuardedStore();
    bans.keepIn(store);
    const page = bans.page("", 10);
    bans.learn([{ app: APP, user: "ada", until, keptUntil: until, stamp: 1, by: "there" }]);
    store.load();
    expect((await page).bans.map(({ user }) => user)).toEqual(["ada"]);
  });
});
