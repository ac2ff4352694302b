import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Member } from "../../hub/member.ts";
import type { PresenceEvent } from "../broker.ts";
import type { BrokerFixture } from "./fixture.ts";
import { answered, type Joined, join } from "./worker.ts";

type SetUp = () => Promise<BrokerFixture>;

const member = (connection: string, more: Partial<Member> = {}): Member => ({
  connection,
  clientId: connection,
  user: undefined,
  state: undefined,
  since: 1,
  ...more,
});

const joining = (connection: string, more: Partial<Member> = {}): PresenceEvent => ({
  type: "join",
  member: member(connection, more),
});

/** A member as numbers and texts, since bytes may come as a view of others. */
const plain = ({ state, ...rest }: Member) => ({ ...rest, state: state && [...state] });

const news = ({ news }: Joined) =>
  news.splice(0).map(({ channel, event }) => {
    if (event.type === "join") return `${channel} join ${event.member.connection}`;
    return `${channel} ${event.type} ${event.connection}`;
  });

/** Members of all workers, and news of them for those who watch. */
export function describePresence(setUp: SetUp): void {
  test("whoever watches is told of the members of others, from the answer on, and not of its own", async () => {
    const fixture = await setUp();
    const [watcher, other] = [await join(fixture), await join(fixture)];
    const state = Uint8Array.of(1, 2, 3);
    other.broker.present("default", "a", joining("1", { user: "u", clientId: "one", since: 77 }));
    other.broker.present("default", "a", {
      type: "state",
      connection: "1",
      clientId: "uno",
      state,
    });
    other.broker.present("default", "b", joining("9"));
    watcher.broker.present("default", "a", joining("2"));
    await fixture.settle();
    expect(watcher.news).toEqual([]);
    const there = await answered(fixture, () => watcher.broker.watch("default", "a"));
    expect(there.map(plain)).toEqual([
      { connection: "1", clientId: "uno", user: "u", since: 77, state: [1, 2, 3] },
    ]);

    const payload = Uint8Array.of(9);
    other.broker.present("default", "a", joining("3", { clientId: "three" }));
    other.broker.present("default", "a", { type: "online", connection: "3", payload });
    other.broker.present("default", "a", { type: "state", connection: "3", clientId: "x", state });
    other.broker.present("default", "a", { type: "rename", connection: "3", clientId: "y" });
    other.broker.present("default", "a", { type: "leave", connection: "3" });
    other.broker.present("default", "b", { type: "leave", connection: "9" });
    watcher.broker.present("default", "a", joining("4"));
    await fixture.settle();
    const events = watcher.news.map(({ app, channel, event }) => {
      expect([app, channel]).toEqual(["default", "a"]);
      return event;
    });
    expect(events.map(({ type }) => type)).toEqual(["join", "online", "state", "rename", "leave"]);
    const [joined, online, changed, renamed] = events;
    expect(joined?.type === "join" && plain(joined.member)).toEqual(
      plain(member("3", { clientId: "three" })),
    );
    expect(online?.type === "online" && [...(online.payload ?? [])]).toEqual([9]);
    expect(changed?.type === "state" && [changed.clientId, ...changed.state]).toEqual([
      "x",
      ...state,
    ]);
    expect(renamed?.type === "rename" && renamed.clientId).toBe("y");
  });

  test("whoever watches no more is told nothing more, and watching again answers anew", async () => {
    const fixture = await setUp();
    const [watcher, other] = [await join(fixture), await join(fixture)];
    await answered(fixture, () => watcher.broker.watch("default", "a"));
    watcher.broker.unwatch("default", "a");
    other.broker.present("default", "a", joining("1"));
    await fixture.settle();
    expect(watcher.news).toEqual([]);
    const connections = async () =>
      (await answered(fixture, () => watcher.broker.watch("default", "a"))).map(
        ({ connection }) => connection,
      );
    expect(await connections()).toEqual(["1"]);
    other.broker.present("default", "a", joining("2"));
    await fixture.settle();
    expect(news(watcher)).toEqual(["a join 2"]);
    expect(await connections()).toEqual(["1", "2"]);
    other.broker.present("default", "a", { type: "leave", connection: "1" });
    await fixture.settle();
    expect(news(watcher)).toEqual(["a leave 1"]);
  });

  test("members and their numbers are those of all workers, in the order of their joining", async () => {
    const fixture = await setUp();
    const [first, second] = [await join(fixture), await join(fixture)];
    for (const [worker, connection, user] of [
      [first, "3", "u"],
      [second, "1", "u"],
      [first, "2", "v"],
      [second, "4", undefined],
    ] as const) {
      worker.broker.present("default", "a", joining(connection, { user }));
      await fixture.settle();
    }
    for (const { broker } of [first, second]) {
      const members = await answered(fixture, () => broker.members("default", "a"));
      expect(members.map(({ connection }) => connection)).toEqual(["3", "1", "2", "4"]);
      const stats = await answered(fixture, () => broker.presenceStats("default", "a"));
      expect(stats).toEqual({ members: 4, users: 3 });
      expect(await answered(fixture, () => broker.members("default", "b"))).toEqual([]);
      expect(await answered(fixture, () => broker.presenceStats("small", "a"))).toEqual({
        members: 0,
        users: 0,
      });
    }
  });

  test("the members of a worker that is gone leave", async () => {
    const fixture = await setUp();
    const [watcher, leaving] = [await join(fixture), await join(fixture)];
    await answered(fixture, () => watcher.broker.watch("default", "a"));
    leaving.broker.present("default", "a", joining("1"));
    leaving.broker.present("default", "a", joining("2"));
    leaving.broker.present("default", "b", joining("1"));
    watcher.broker.present("default", "a", joining("3"));
    await fixture.settle();
    await fixture.leave(leaving.broker);
    await fixture.settle();
    expect(news(watcher).toSorted()).toEqual(["a join 1", "a join 2", "a leave 1", "a leave 2"]);
    const members = await answered(fixture, () => watcher.broker.members("default", "a"));
    expect(members.map(({ connection }) => connection)).toEqual(["3"]);
    const stats = await answered(fixture, () => watcher.broker.presenceStats("default", "b"));
    expect(stats.members).toBe(0);
  });

  test("a connection that joins on another worker is that worker's, whatever its former one says", async () => {
    const fixture = await setUp();
    const [former, next, watcher] = [await join(fixture), await join(fixture), await join(fixture)];
    await answered(fixture, () => watcher.broker.watch("default", "a"));
    former.broker.present("default", "a", joining("1", { user: "u" }));
    await fixture.settle();
    next.broker.present("default", "a", joining("1", { user: "v", clientId: "new" }));
    await fixture.settle();
    former.broker.present("default", "a", { type: "leave", connection: "1" });
    former.broker.present("default", "a", { type: "rename", connection: "1", clientId: "old" });
    await fixture.leave(former.broker);
    await fixture.settle();
    expect(news(watcher)).toEqual(["a join 1", "a join 1"]);
    const members = await answered(fixture, () => watcher.broker.members("default", "a"));
    expect(members.map(plain)).toEqual([plain(member("1", { user: "v", clientId: "new" }))]);
    const stats = await answered(fixture, () => watcher.broker.presenceStats("default", "a"));
    expect(stats).toEqual({ members: 1, users: 1 });
  });

  test("what a watcher makes of the answer and the news is what the others have, at any time", async () => {
    const step = fc.record({
      worker: fc.nat(2),
      what: fc.constantFrom("join", "state", "rename", "leave", "watch", "settle"),
      n: fc.nat(2),
      value: fc.nat(99),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const fixture = await setUp();
        const workers = [
          await replicating(fixture),
          await replicating(fixture),
          await replicating(fixture),
        ];
        for (const { worker, what, n, value } of steps) {
          const chosen = workers[worker];
          if (chosen === undefined) continue;
          if (what === "watch") chosen.watch();
          else if (what === "settle") await fixture.settle();
          else chosen.present(what, `${worker}-${n}`, value);
        }
        for (const worker of workers) worker.watch();
        await fixture.settle();
        const all = new Map(workers.flatMap(({ own }) => [...own]));
        for (const { own, others, worker } of workers) {
          const expected = [...all].filter(([connection]) => !own.has(connection));
          expect(described(others.values())).toEqual(described(new Map(expected).values()));
          const members = await answered(fixture, () => worker.broker.members("default", "a"));
          expect(described(members)).toEqual(described(all.values()));
          const stats = await answered(fixture, () => worker.broker.presenceStats("default", "a"));
          const users = new Set(Array.from(all.values(), ({ user }) => user));
          expect(stats).toEqual({ members: all.size, users: users.size });
        }
      }),
      { numRuns: 60 },
    );
  });
}

const described = (members: Iterable<Member>) =>
  Array.from(members, ({ connection, clientId, user, state }) => {
    return `${connection} ${clientId} ${user} ${state?.[0]}`;
  }).toSorted();

/** A worker that keeps the members of others as the port says that it can. */
async function replicating(fixture: BrokerFixture) {
  const worker = await join(fixture);
  const own = new Map<string, Member>();
  const others = new Map<string, Member>();
  /** News since the last watch, while that has no answer. */
  let waiting: PresenceEvent[] | undefined = [];
  worker.presence = (_app, _channel, event) => {
    if (waiting === undefined) apply(others, event);
    else waiting.push(event);
  };
  const watch = () => {
    const current: PresenceEvent[] = [];
    waiting = current;
    const answer = worker.broker.watch("default", "a");
    const use = (members: readonly Member[]) => {
      if (waiting !== current) return;
      others.clear();
      for (const each of members) others.set(each.connection, { ...each });
      for (const event of current) apply(others, event);
      waiting = undefined;
    };
    if (answer instanceof Promise) void answer.then(use);
    else use(answer);
  };
  const present = (
    what: "join" | "state" | "rename" | "leave",
    connection: string,
    value: number,
  ) => {
    const isThere = own.has(connection);
    if (!isThere && what !== "join") return;
    const clientId = `name ${value}`;
    const event: PresenceEvent = {
      join: joining(connection, { clientId, user: `${value % 3}` }),
      state: { type: "state", connection, clientId, state: Uint8Array.of(value) } as const,
      rename: { type: "rename", connection, clientId } as const,
      leave: { type: "leave", connection } as const,
    }[what];
    apply(own, event);
    worker.broker.present("default", "a", event);
  };
  return { worker, own, others, watch, present };
}

function apply(members: Map<string, Member>, event: PresenceEvent): void {
  if (event.type === "join") {
    members.set(event.member.connection, { ...event.member });
    return;
  }
  const known = members.get(event.connection);
  if (known === undefined) return;
  if (event.type === "leave") members.delete(event.connection);
  if (event.type === "state") known.state = event.state;
  if (event.type === "state" || event.type === "rename") known.clientId = event.clientId;
}
