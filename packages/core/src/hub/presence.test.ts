import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Member, Presence } from "./presence.ts";

const member = (connection: string, user?: string): Member => ({
  connection,
  clientId: connection,
  user,
  state: undefined,
  since: 0,
});

describe("presence", () => {
  test("counts members and distinct users as going through all of them would", () => {
    const step = fc.record({
      join: fc.boolean(),
      connection: fc.constantFrom("1", "2", "3", "4"),
      channel: fc.constantFrom("a", "b"),
    });
    const userOf: Record<string, string | undefined> = { 1: "u", 2: "u", 3: "v", 4: undefined };
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const presence = new Presence();
        const model = new Map<string, Set<string>>([
          ["a", new Set()],
          ["b", new Set()],
        ]);
        for (const { join, connection, channel } of steps) {
          const present = model.get(channel);
          const wasPresent = present?.has(connection);
          if (join) {
            const joined = presence.join("app", channel, member(connection, userOf[connection]));
            expect(joined).toBe(!wasPresent);
            present?.add(connection);
          } else {
            const left = presence.leave("app", channel, connection);
            expect(left?.connection).toBe(wasPresent ? connection : undefined);
            present?.delete(connection);
          }
          for (const [name, connections] of model) {
            const users = new Set([...connections].map((each) => userOf[each] ?? `#${each}`));
            expect(presence.stats("app", name)).toEqual({
              members: connections.size,
              users: users.size,
            });
            const listed = [...presence.members("app", name)].map((each) => each.connection);
            expect(listed).toEqual([...connections]);
          }
        }
      }),
    );
  });

  test("does not take a user for a connection of the same name", () => {
    const presence = new Presence();
    presence.join("app", "a", member("x"));
    presence.join("app", "a", member("y", "x"));
    expect(presence.stats("app", "a").users).toBe(2);
  });

  test("keeps apps apart", () => {
    const presence = new Presence();
    presence.join("one", "a", member("x"));
    expect(presence.stats("two", "a").members).toBe(0);
    expect(presence.member("one", "a", "x")?.clientId).toBe("x");
    expect(presence.member("two", "a", "x")).toBeUndefined();
  });
});
