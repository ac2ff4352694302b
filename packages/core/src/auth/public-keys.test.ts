import { expect, test } from "bun:test";
import { PublicKeys } from "./public-keys.ts";

test("a listed key leads to its app, and another one is refused", () => {
  const keys = new PublicKeys({ keys: new Map([["k1", "shop"]]) });
  expect(keys.appOf("k1")).toBe("shop");
  expect(() => keys.appOf("k2")).toThrow("illegal public key");
  expect(() => keys.appOf("")).toThrow("illegal public key");
  expect(keys.isConfigured).toBe(true);
});

test("where an app takes every key, none has to be listed", () => {
  const keys = new PublicKeys({ keys: new Map(), openApp: "default" });
  expect(keys.appOf("whatever")).toBe("default");
  expect(keys.isConfigured).toBe(false);
});
