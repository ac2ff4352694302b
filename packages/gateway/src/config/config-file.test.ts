import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appsWithoutFile, readConfigFile } from "./config-file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-config-file-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string, name = "starling.yaml") {
  const path = join(folder, name);
  writeFileSync(path, text);
  return readConfigFile(path, "CONFIG_FILE", name);
}
const messages = (text: string) =>
  read(text).faults.map((fault) => fault.message.replace(`${folder}/`, ""));

describe("a configuration file", () => {
  test("declares namespaces of the default app and of others, with defaults for the rest", () => {
    const { apps, faults } = read(
      [
        "namespaces:",
        "  news: {subscribe: anyone}",
        "apps:",
        "  shop:",
        "    namespaces:",
        '      "": {publish: anyone, volatile: true}',
      ].join("\n"),
    );
    expect(faults).toEqual([]);
    expect(apps?.get("default")?.namespaces.get("news")).toEqual({
      subscribe: "anyone",
      publish: "nobody",
      volatile: false,
    });
    expect(apps?.get("shop")?.namespaces.get("")).toEqual({
      subscribe: "nobody",
      publish: "anyone",
      volatile: true,
    });
  });

  test("may be JSON, also with tabs", () => {
    const { apps } = read('{\n\t"apps": {\n\t\t"shop": {}\n\t}\n}\n', "starling.json");
    expect([...(apps?.keys() ?? [])]).toEqual(["default", "shop"]);
  });

  test("that is empty declares nothing", () => {
    expect(read("# nothing\n").apps?.get("default")?.namespaces.size).toBe(0);
  });

  test("may write the default app's namespaces under apps", () => {
    const { apps } = read("apps: {default: {namespaces: {news: {subscribe: anyone}}}}");
    expect(apps?.get("default")?.namespaces.has("news")).toBe(true);
  });
});

describe("a faulty configuration file", () => {
  test("is told with place, path and what is allowed, every fault at once", () => {
    const found = messages(
      ["namespaces:", "  demo:", "    subscribe: all", "    history: 1", "extra: 1"].join("\n"),
    );
    expect(found).toHaveLength(3);
    expect(found[0]).toStartWith("starling.yaml:3:16: namespaces.demo.subscribe: ");
    expect(found[0]).toContain('"nobody"|"anyone"');
    expect(found[1]).toBe("starling.yaml:4:14: namespaces.demo.history: unknown key");
    expect(found[2]).toBe("starling.yaml:5:8: extra: unknown key");
  });

  test("is told where its syntax is wrong, and where a key is repeated", () => {
    expect(messages("namespaces: [")[0]).toStartWith("starling.yaml:1:");
    expect(messages("apps: {}\napps: {}")[0]).toStartWith("starling.yaml:2:1: ");
  });

  test("may not name a namespace with a colon or an app with nothing", () => {
    expect(messages("namespaces: {'a:b': {}}")[0]).toContain("namespaces.a:b: a name is");
    expect(messages("apps: {'': {}}")[0]).toContain("a name is");
  });

  test("may not give the default app's namespaces twice", () => {
    expect(messages("apps: {default: {namespaces: {}}}\nnamespaces: {}")[0]).toContain(
      "apps.default.namespaces: ",
    );
  });

  test("that cannot be read names the variable, as it was written, and the file", () => {
    const path = join(folder, "missing.yaml");
    expect(readConfigFile(path, "CONFIG_FILE", "missing.yaml").faults).toEqual([
      {
        variable: "CONFIG_FILE",
        value: "missing.yaml",
        message: `${path} cannot be read (ENOENT)`,
      },
    ]);
  });
});

test("without a file production declares nothing and development a demo namespace", () => {
  expect(appsWithoutFile(true).get("default")?.namespaces.size).toBe(0);
  expect([...(appsWithoutFile(false).get("default")?.namespaces.keys() ?? [])]).toEqual(["demo"]);
});
