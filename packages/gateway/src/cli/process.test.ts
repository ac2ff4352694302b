import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../../../package.json" with { type: "json" };

const launcher = join(import.meta.dir, "../../bin/starling.js");
const { PATH = "" } = process.env;
let folder: string;
let children: Bun.Subprocess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-process-"));
  children = [];
});
afterEach(async () => {
  // Nothing is left where a test failed half-way.
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(children.map((child) => child.exited));
  rmSync(folder, { recursive: true });
});

/** The command through its launcher, in a folder and an environment of its own. */
function spawn(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn(["node", launcher, ...args], {
    cwd: folder,
    env: { PATH, ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  children.push(child);
  return child;
}

async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(args, environment);
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, code };
}

/** Reads until `text` has come; answers everything so far. */
async function readUntil(stream: ReadableStream<Uint8Array>, text: string): Promise<string> {
  let read = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream.values({ preventCancel: true })) {
    read += decoder.decode(chunk, { stream: true });
    if (read.includes(text)) return read;
  }
  throw new Error(`the output ended without ${JSON.stringify(text)}: ${read}`);
}

/** One process that the system gives its ports. */
const anyPorts = { PRODUCER_PORT: "0", CONSUMER_PORT: "0", WEBTRANSPORT: "0" };

describe("the launcher", () => {
  test("passes on the exit code and keeps the two outputs apart", async () => {
    expect(await run(["fly"])).toEqual({
      out: "",
      err: "error: unknown command 'fly'\n(starling --help says more)\n",
      code: 64,
    });
    expect((await run(["--version"])).code).toBe(0);
  });

  test("leaves .env to the gateway, which gives $ no meaning and other files no effect", async () => {
    writeFileSync(join(folder, ".env"), "AUTH_TOKEN_SECRET=pa$$word$HOME\nHTTP_PORT=1\n");
    writeFileSync(join(folder, ".env.local"), "CONSUMER_PORT=3\n");
    const expected = await run(["token"], { AUTH_TOKEN_SECRET: "pa$$word$HOME" });
    expect(expected.code).toBe(0);
    expect(await run(["token"])).toEqual(expected);

    const { out } = await run(["check-config"], { PRODUCER_PORT: "2" });
    expect(out).toContain("PRODUCER_PORT=2 # environment\n");
    expect(out).toContain("CONSUMER_PORT=8443 # default\n");
    expect(out).toContain("AUTH_TOKEN_SECRET=*** # .env\n");
  });
});

test("the scripts of the repository leave .env to the gateway too", async () => {
  const root = join(import.meta.dir, "../../../..");
  copyFileSync(join(root, "bunfig.toml"), join(folder, "bunfig.toml"));
  writeFileSync(join(folder, ".env"), "AUTH_TOKEN_SECRET=pa$$word$HOME\nHTTP_PORT=1\n");
  const script: string = manifest.scripts.start;
  const [bun, main, command] = script.split(" ");
  expect([bun, command]).toEqual(["bun", "start"]);
  const child = Bun.spawn([process.execPath, join(root, main ?? ""), "check-config"], {
    cwd: folder,
    env: { PATH, PRODUCER_PORT: "2" },
    stderr: "ignore",
  });
  const out = await new Response(child.stdout).text();
  expect(out).toContain("PRODUCER_PORT=2 # environment\n");
  expect(out).toContain("AUTH_TOKEN_SECRET=*** # .env\n");
});

test("a single-file executable reads .env in the same way and makes its certificate", async () => {
  const executable = join(folder, "starling");
  const build = Bun.spawn(
    [
      process.execPath,
      "build",
      "--compile",
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      join(import.meta.dir, "main.ts"),
      `--outfile=${executable}`,
    ],
    { cwd: folder, stdout: "ignore", stderr: "ignore" },
  );
  expect(await build.exited).toBe(0);
  writeFileSync(join(folder, ".env"), "AUTH_TOKEN_SECRET=pa$$word$HOME\n");
  const token = Bun.spawn([executable, "token"], { cwd: folder, env: { PATH } });
  const expected = await run(["token"], { AUTH_TOKEN_SECRET: "pa$$word$HOME" });
  expect(await new Response(token.stdout).text()).toBe(expected.out);

  const gateway = Bun.spawn([executable, "start"], {
    cwd: folder,
    env: { PATH, ...anyPorts },
    stderr: "ignore",
  });
  children.push(gateway);
  await readUntil(gateway.stdout, "/api/publish");
  const pem = readFileSync(join(folder, ".starling", "dev-cert.pem"), "utf8");
  expect(pem).toStartWith("-----BEGIN CERTIFICATE-----");
  gateway.kill("SIGTERM");
  expect(await gateway.exited).toBe(0);
});

describe("starling start", () => {
  const pidFile = () => join(folder, ".starling", "starling.pid");

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`serves until ${signal}, then removes its pid file and exits with 0`, async () => {
      const child = spawn(["start"], anyPorts);
      const out = await readUntil(child.stdout, "/api/publish");
      expect(readFileSync(pidFile(), "utf8")).toMatch(/^\d+\n$/);
      expect(readFileSync(pidFile(), "utf8")).not.toBe(`${child.pid}\n`);
      const address = /Publishers +(https:\S+)/.exec(out)?.[1] ?? "";
      const published = await run(["publish", "demo:hello", "1", "--url", address]);
      expect(published).toEqual({ out: '{"ok":true,"subscribers":0}\n', err: "", code: 0 });
      child.kill(signal);
      expect(await child.exited).toBe(0);
      expect(existsSync(pidFile())).toBe(false);
    });
  }

  test("tells what it did in that order, the greeting last", async () => {
    const child = spawn(["start"], anyPorts);
    const out = await readUntil(child.stdout, "/api/publish");
    const places = [
      "publisher API listening",
      "subscriber listener listening",
      '"started"',
      "Demo",
    ];
    const found = places.map((text) => out.indexOf(text));
    expect(found).not.toContain(-1);
    expect(found).toEqual(found.toSorted((a, b) => a - b));
  });

  test("leaves the pid file of another gateway that runs, and warns", async () => {
    const first = spawn(["start"], anyPorts);
    await readUntil(first.stdout, "/api/publish");
    const pid = readFileSync(pidFile(), "utf8");
    const second = spawn(["start"], anyPorts);
    expect(await readUntil(second.stdout, "/api/publish")).toContain("another process owns");
    second.kill("SIGTERM");
    expect(await second.exited).toBe(0);
    expect(readFileSync(pidFile(), "utf8")).toBe(pid);
  });

  test("goes on serving when the reader of its output goes away, and still ends with 0", async () => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), "start"], {
      cwd: folder,
      env: { PATH, ...anyPorts, LOG_LEVEL: "debug" },
      stdout: "pipe",
      stderr: "pipe",
    });
    children.push(child);
    const out = await readUntil(child.stdout, "/api/publish");
    const address = /Publishers +(https:\S+)/.exec(out)?.[1] ?? "";
    let isNoticed = false;
    const noticed = readUntil(child.stderr, "EPIPE").then(() => {
      isNoticed = true;
    });
    // The pipe is closed some time after this.
    await child.stdout.cancel();
    const refused = () => fetch(`${address}/nowhere`, { tls: { rejectUnauthorized: false } });
    // Each refusal writes a line that nobody reads.
    while (!isNoticed) expect((await refused()).status).toBe(404);
    await noticed;
    expect((await refused()).status).toBe(404);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("ends with 0 although the reader of its output has stalled", async () => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), "start"], {
      cwd: folder,
      env: { PATH, ...anyPorts, LOG_LEVEL: "debug" },
      stdout: "pipe",
      stderr: "ignore",
    });
    children.push(child);
    const out = await readUntil(child.stdout, "/api/publish");
    const address = /Publishers +(https:\S+)/.exec(out)?.[1] ?? "";
    // More refusals, each with its line, than the pipe holds; nobody reads from here on.
    const refused = () => fetch(`${address}/nowhere`, { tls: { rejectUnauthorized: false } });
    for (let count = 0; count < 3_000; count += 100) {
      await Promise.all(Array.from({ length: 100 }, refused));
    }
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("names the variable of a port that is in use and exits with 69", async () => {
    const occupant = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const port = String(occupant.port);
    for (const name of ["HTTP_PORT", "WEBSOCKET_PORT"]) {
      const other = name === "HTTP_PORT" ? "WEBSOCKET_PORT" : "HTTP_PORT";
      const { err, code } = await run(["start"], { [name]: port, [other]: "0" });
      expect(code).toBe(69);
      expect(err).toBe(`starling: ${name}=${port}: the port is in use\n`);
      expect(existsSync(pidFile())).toBe(false);
    }
    await occupant.stop(true);
  });

  test("names STATE_DIR where that is no folder", async () => {
    writeFileSync(join(folder, "occupied"), "");
    const { err, code } = await run(["start"], { ...anyPorts, STATE_DIR: "occupied" });
    expect(code).toBe(78);
    expect(err).toContain('STATE_DIR="occupied": is no folder');
  });

  test("writes its log to LOGS_DIR, to the last line", async () => {
    const child = spawn(["start"], { ...anyPorts, LOGS_DIR: "logs" });
    await readUntil(child.stdout, "/api/publish");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    const log = readFileSync(join(folder, "logs", "starling.log"), "utf8");
    expect(log).toContain("token check is OFF");
    expect(log).toEndWith('"msg":"stopped"}\n');
  });
});
