import { expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { hookSignature } from "./signature.ts";

const mac = (secret: string, text: string) =>
  createHmac("sha256", secret).update(text).digest("hex");

test("time and body are signed together, with each secret", () => {
  const body = '{"channel":"räume:☃"}';
  expect(hookSignature(body, 1_700_000_000, ["new secret", "old secrét"])).toBe(
    [
      "t=1700000000",
      `v1=${mac("new secret", `1700000000.${body}`)}`,
      `v1=${mac("old secrét", `1700000000.${body}`)}`,
    ].join(","),
  );
});
