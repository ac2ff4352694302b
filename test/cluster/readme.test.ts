/** The commands of README.md and of the page about NATS do what is said there, but for the ports, which are free ones. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/nats-server.ts";
import { codeBelow, page } from "../support/readme.ts";
import { ShellCommand } from "../support/shell-command.ts";

setDefaultTimeout(120_000);

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DEFAULT_PORTS = ["4222", "2053", "8443", "2054", "8444"];

/** As a clone of the repository, where nobody's files of a running node lie. */
const folder = mkdtempSync(join(tmpdir(), "starling-readme-"));
const ports = new Map<string, string>();
const running: ShellCommand[] = [];

/** The same on free ports. */
function moved(text: string): string {
  return text.replace(/\b\d{4}\b/g, (port) => ports.get(port) ?? port);
}

function run(line: string, environment?: Readonly<Record<string, string>>): ShellCommand {
  const command = new ShellCommand(line, folder, environment);
  running.push(command);
  return command;
}

let first: ShellCommand;

beforeAll(async () => {
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  for (const name of ["packages", "node_modules"])
    symlinkSync(join(ROOT, name), join(folder, name));
  const free = new Set<number>();
  while (free.size < DEFAULT_PORTS.length) free.add(await freePort());
  [...free].forEach((port, index) => {
    ports.set(DEFAULT_PORTS[index] ?? "", `${port}`);
  });
  const lines = codeBelow(page("README.md"), "## Several machines", "sh").split("\n");
  expect(lines).toHaveLength(3);
  const [server = "", here = "", there = ""] = lines.map(moved);
  // Its default port stands in no command, nor where it keeps what it stores.
  const withPlace = `${server} --port ${ports.get("4222")} --store_dir ${join(folder, "jetstream")}`;
  await run(withPlace).says("Server is ready");
  const defaults = { PRODUCER_PORT: moved("2053"), CONSUMER_PORT: moved("8443") };
  first = run(here, defaults);
  const second = run(there);
  // The gateway and its quic worker.
  for (const node of [first, second]) await node.says('"msg":"connected to NATS"', 2);
});

afterAll(async () => {
  // All at once, so that none outlives another one that does not end.
  await Promise.all(running.map((command) => command.interrupt()));
  rmSync(folder, { recursive: true, force: true });
});

/** Says something again until the second node tells an event: a stream does not say when it has begun. */
async function arrives(event: string, say: () => Promise<void>): Promise<void> {
  const line = codeBelow(page("README.md"), "## Subscribe", "sh");
  const there = line.replace(".starling/", ".starling-b/").replace("8443", "8444");
  const listener = run(moved(there));
  while (!listener.output.includes(`\n${event}\n\n`)) {
    await say();
    await Bun.sleep(20);
  }
  await listener.interrupt();
}

async function ends(line: string): Promise<string> {
  const command = run(line);
  expect([await command.ended(), command.output]).toEqual([0, expect.anything()]);
  return command.output;
}

test("what the line publishes that the first node prints arrives at the second", async () => {
  const line = (await first.says("  curl ")).split("\n").find((each) => each.startsWith("  curl "));
  await arrives('event: message\ndata: {"text":"Hello"}', async () => {
    expect(await ends(`${line}`)).toContain('{"ok":true');
  });
});

test("what the line of the README publishes arrives there too", async () => {
  const line = codeBelow(page("README.md"), "## Publish", "sh");
  await arrives('event: message\ndata: {"text": "Hello"}', async () => {
    expect(await ends(moved(line))).toContain('{"ok":true');
  });
});

test("the program of the page about NATS publishes without HTTP", async () => {
  const program = codeBelow(page("docs/protocol/nats.md"), "## Example", "js");
  writeFileSync(join(folder, "publish.mjs"), moved(program));
  await arrives('event: message\ndata: {"text":"Hello over NATS"}', async () => {
    await ends("bun publish.mjs");
  });
});

/** All names in a text that begin so. */
function named(text: string, pattern: RegExp): string[] {
  return [...new Set(text.match(pattern))].toSorted();
}

test("the guide names every setting and every metric of NATS, and no other", async () => {
  const guide = page("docs/guide/mesh.md");
  const reference = page("docs/reference/configuration.md")
    .split("\n## NATS\n")[1]
    ?.split("\n## ")[0];
  const settings = /\bNATS_[A-Z]+/g;
  expect(named(guide, settings)).toEqual(named(reference ?? "", settings));
  const url = moved("https://localhost:2053/metrics");
  const metrics = await ends(`curl -s --cacert .starling/dev-cert.pem ${url}`);
  const names = /\bstarling_nats_\w+/g;
  expect(named(guide, names)).toEqual(named(metrics, names));
});
