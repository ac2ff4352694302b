import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { readConfigFile } from "./config-file.ts";
import { loadConfig } from "./load.ts";
import { configurationPage, envExample } from "./reference.ts";
import { variableEntries } from "./settings.ts";
import { defaultOf } from "./variable.ts";

const root = join(import.meta.dir, "../../../..");
const file = (path: string) => readFileSync(join(root, path), "utf8");

describe("the generated files are not stale (npm run docs renews them)", () => {
  test("docs/reference/configuration.md", () => {
    expect(file("docs/reference/configuration.md")).toBe(configurationPage());
  });

  test(".env.example", () => {
    expect(file(".env.example")).toBe(envExample());
  });
});

test("the reference has a section and every other name of each variable", () => {
  const page = configurationPage();
  for (const [, variable] of variableEntries) {
    expect(page).toContain(`\n### ${variable.name}\n`);
    for (const alias of variable.aliases ?? []) expect(page).toContain(`\`${alias}\``);
  }
});

test("the example of a configuration file can be read", async () => {
  const yaml = /```yaml\n([\s\S]+?)```/.exec(configurationPage())?.[1] ?? "";
  const path = join(mkdtempSync(join(tmpdir(), "starling-reference-")), "starling.yaml");
  await Bun.write(path, yaml);
  const { apps, faults } = readConfigFile(path, "CONFIG_FILE", path);
  rmSync(dirname(path), { recursive: true });
  expect(faults).toEqual([]);
  expect(apps?.get("default")?.namespaces.get("cursors")?.volatile).toBe(true);
  expect(apps?.get("shop")?.namespaces.get("")?.subscribe).toBe("anyone");
});

test("the example with every line uncommented is the development default", () => {
  const uncommented = envExample().replaceAll(/^#([A-Z_]+=)/gm, "$1");
  const dotEnv = parseEnv(uncommented);
  expect(Object.keys(dotEnv)).toHaveLength(variableEntries.length);
  expect(loadConfig({}, { dotEnv })).toEqual(loadConfig({}));
});

test("no name belongs to two variables", () => {
  const names = variableEntries.flatMap(([, { name, aliases }]) => [name, ...(aliases ?? [])]);
  expect(new Set(names).size).toBe(names.length);
});

test("every default is a value that is allowed", () => {
  for (const [, variable] of variableEntries) {
    for (const production of [true, false]) {
      const text = defaultOf(variable, production);
      if (text !== undefined) expect(variable.type.safeParse(text).success).toBe(true);
    }
  }
});

test("every variable says what is allowed, and what holds where it is absent", () => {
  for (const [, variable] of variableEntries) {
    expect(variable.type.description).toBeString();
    const absent = [true, false].some(
      (production) => defaultOf(variable, production) === undefined,
    );
    if (absent) expect(variable.otherwise).toBeString();
  }
});
