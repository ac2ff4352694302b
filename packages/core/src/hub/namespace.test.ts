import { describe, expect, test } from "bun:test";
import {
  type AppConfig,
  declaredOptionsOf,
  defaultNamespace,
  type NamespaceConfig,
  namespaceOf,
  optionsOf,
} from "./namespace.ts";

const open: NamespaceConfig = { subscribe: "anyone", publish: "nobody", volatile: false };
const own: NamespaceConfig = { subscribe: "nobody", publish: "anyone", volatile: true };
const apps: ReadonlyMap<string, AppConfig> = new Map([
  ["plain", { namespaces: new Map([["demo", open]]) }],
  [
    "catching",
    {
      namespaces: new Map([
        ["", own],
        ["demo", open],
      ]),
    },
  ],
]);

describe("the namespace of a channel", () => {
  test("is the part before the first colon", () => {
    expect(namespaceOf("demo:hello:world")).toBe("demo");
  });

  test("is the default one where there is no colon, or nothing before it", () => {
    expect(namespaceOf("hello")).toBe("");
    expect(namespaceOf(":hello")).toBe("");
  });
});

describe("the options of a channel", () => {
  test("are those of its namespace", () => {
    expect(optionsOf(apps, "catching", "demo:hello")).toBe(open);
  });

  test("are those of the app's default namespace where its own is not declared", () => {
    expect(optionsOf(apps, "catching", "other:hello")).toBe(own);
    expect(optionsOf(apps, "catching", "hello")).toBe(own);
  });

  test("are closed but to a permission where nothing is declared, also for an app that does not exist", () => {
    expect(optionsOf(apps, "plain", "other:hello")).toBe(defaultNamespace);
    expect(optionsOf(apps, "missing", "demo:hello")).toBe(defaultNamespace);
    expect(defaultNamespace).toEqual({
      subscribe: "token",
      publish: "token",
      presence: "token",
      presenceDebounceMs: 0,
      conflateMs: 0,
      volatile: false,
      recover: false,
    });
  });

  test("are not declared where neither the namespace nor the default one is", () => {
    expect(declaredOptionsOf(apps, "plain", "other:hello")).toBeUndefined();
    expect(declaredOptionsOf(apps, "catching", "other:hello")).toBe(own);
  });
});
