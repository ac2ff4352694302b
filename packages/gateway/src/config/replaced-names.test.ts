import { expect, test } from "bun:test";
import { loadConfig } from "./load.ts";
import { configWarnings } from "./warnings.ts";

const warningsOf = (environment: Record<string, string>, dotEnv: Record<string, string> = {}) =>
  configWarnings(loadConfig(environment, { dotEnv }), Date.now()).filter((text) =>
    text.includes("YOMO"),
  );

test("all variables of the presence backend's mesh are accepted, and told of in one sentence", () => {
  const first = { YOMO_SNDR_NAME: "a", YOMO_RCVR_NAME: "b", YOMO_ZIPPER: "zipper.example:9000" };
  const rest = { WITH_YOMO_ZIPPER: "true", YOMO_CREDENTIAL: "app-key-secret:hidden" };
  const [warning = "", ...more] = warningsOf(first, rest);
  expect(more).toEqual([]);
  for (const name of Object.keys({ ...first, ...rest })) expect(warning).toContain(name);
  for (const name of ["NATS_URL", "MESH_ID", "NATS_CREDENTIALS"]) expect(warning).toContain(name);
  expect(warning).not.toContain("hidden");
});

test("one that is not set, or empty, is not told of", () => {
  expect(warningsOf({ YOMO_ZIPPER: "", YOMO_SNDR_NAME: "a" })).toEqual([
    expect.not.stringContaining("ZIPPER"),
  ]);
  expect(warningsOf({ YOMO_ZIPPER: " " })).toEqual([]);
});
