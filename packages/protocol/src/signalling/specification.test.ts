import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { closeCatalogue } from "../close-codes.ts";
import { errorCatalogue } from "../errors.ts";
import { decodeServerSignal, decodeSignal, encodeSignal } from "./codec.ts";
import { defaultSignalLimits as limits } from "./limits.ts";

// Tables are padded by the formatter, which says nothing.
const page = readFileSync(
  new URL("../../../../docs/protocol/signalling.md", import.meta.url),
  "utf8",
).replaceAll(/ {2,}/g, " ");

function examples(side: "client" | "server"): Uint8Array[] {
  const blocks = page.matchAll(new RegExp(`\`\`\`hex ${side}\n([^\`]*)\`\`\``, "g"));
  return [...blocks].map(([, hex = ""]) =>
    Uint8Array.from(Buffer.from(hex.replace(/\s/g, ""), "hex")),
  );
}

test("every example of a client's message is understood", () => {
  expect(examples("client").length).toBeGreaterThanOrEqual(4);
  for (const bytes of examples("client")) {
    expect(decodeSignal(bytes, limits, 2)).toMatchObject({ ok: true });
  }
});

test("every example of a server's message is, byte for byte, what this server writes", () => {
  expect(examples("server").length).toBeGreaterThanOrEqual(7);
  for (const bytes of examples("server")) {
    const result = decodeServerSignal(bytes, limits);
    expect(result.ok && encodeSignal(result.signal)).toEqual(bytes);
  }
});

test("every code that the page names is in its catalogue under that name", () => {
  const rows = [...page.matchAll(/^\| *(\d{3,4}) *\| *`(\w+)` *\|/gm)];
  const named = rows.map(([, code, name]) => `${code} ${name}`);
  const known = [...Object.entries(errorCatalogue), ...Object.entries(closeCatalogue)].map(
    ([name, { code }]) => `${code} ${name}`,
  );
  expect(named.length).toBeGreaterThanOrEqual(20);
  expect(named.filter((entry) => !known.includes(entry))).toEqual([]);
});

test("the limits that the page names are the default ones", () => {
  const text = (limit: number) => limit.toLocaleString("en-US");
  expect(page).toContain(`4,096 bytes more: ${text(limits.messageBytes)} `);
  expect(page).toContain(`| ${text(limits.payloadBytes)} bytes |`);
  expect(page).toContain(`| ${text(limits.stateBytes)} bytes |`);
  expect(page).toContain(`${text(limits.nameLength)} characters |`);
  expect(page).toContain(`${text(limits.tokenLength)} characters |`);
  expect(page).toContain(`${text(limits.textLength)} characters |`);
  expect(page).toContain(`the message included | ${limits.depth} |`);
});
