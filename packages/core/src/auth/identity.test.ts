import { describe, expect, test } from "bun:test";
import { isAuthenticated, readPermissions, readUser } from "./identity.ts";

describe("permissions", () => {
  test("are lists of patterns, each of them optional", () => {
    const { subscribe, publish, presence } = readPermissions({
      subscribe: ["chat:*", "news"],
      publish: [],
      later: true,
    });
    expect(subscribe.map(({ text }) => text)).toEqual(["chat:*", "news"]);
    expect([publish, presence]).toEqual([[], []]);
  });

  const faults: readonly (readonly [string, unknown, string])[] = [
    ["no object", ["chat"], "permissions must be an object"],
    ["a list that is none", { publish: "chat:*" }, "publish must be a list"],
    ["too many patterns", { presence: Array(101).fill("a") }, "at most 100"],
    ["a pattern that is no text", { subscribe: ["a", 1] }, "subscribe[1]: a channel pattern must"],
    ["an empty pattern", { subscribe: [""] }, "subscribe[0]: a channel pattern must not be empty"],
    ["a long pattern", { subscribe: ["a".repeat(256)] }, "at most 255 characters"],
  ];
  test.each(faults)("with %s are refused", (_, value, message) => {
    expect(() => readPermissions(value)).toThrow(message);
  });
});

test("a user id is text that could be the name of a channel", () => {
  expect(readUser("ada")).toBe("ada");
  for (const value of ["", 7, "a\0", "a".repeat(256)]) {
    expect(() => readUser(value)).toThrow("a user id must");
  }
});

test("a public key alone authenticates nobody", () => {
  const sources = ["key", "jwt", "webhook", "rotating", "none"] as const;
  const authenticated = sources.filter((source) => isAuthenticated({ app: "default", source }));
  expect(authenticated).toEqual(["jwt", "webhook", "rotating"]);
});
