import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { errorBody, StarlingError } from "@starling/protocol/errors.ts";
import manifest from "../../package.json" with { type: "json" };
import { developmentCertificate } from "../certificates/development.ts";
import type { Environment } from "../config/environment.ts";
import { runCommand } from "./program.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "starling-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], environment: Environment = {}): Promise<Outcome> {
  let out = "";
  let err = "";
  const code = await runCommand(args, {
    environment,
    folder,
    clock: new FakeClock(Date.UTC(2026, 10, 5, 12)),
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

describe("the command line", () => {
  test("answers --version with the version alone", async () => {
    expect(await run(["--version"])).toEqual({ code: 0, out: `${manifest.version}\n`, err: "" });
  });

  test("explains each command with an example", async () => {
    for (const command of ["start", "restart", "status", "check-config", "token", "publish"]) {
      const { code, out, err } = await run([command, "--help"]);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toMatch(/Examples?:\n {2}.*starling/);
    }
  });

  test("that is wrong is a usage fault, told on standard error", async () => {
    const wrong = [
      [],
      ["fly"],
      ["publish", "channel"],
      ["token", "extra"],
      ["start", "--port"],
      ["worker"],
    ];
    for (const args of wrong) {
      const { code, out, err } = await run(args);
      expect([code, out]).toEqual([64, ""]);
      expect(err).not.toBe("");
    }
  });

  test("writes no colours", async () => {
    const { out } = await run(["--help"]);
    expect(out).not.toContain("\x1b");
  });
});

describe("starling check-config", () => {
  test("prints the effective configuration, secrets masked, and warnings apart from it", async () => {
    const { code, out, err } = await run(["check-config"], {
      AUTH_TOKEN_SECRET: "hunter2",
    });
    expect(code).toBe(0);
    expect(out).toContain("AUTH_TOKEN_SECRET=*** # environment\n");
    expect(err).toContain("warning: AUTH_TOKEN_SECRET has fewer than 16 characters");
    expect(out + err).not.toContain("hunter2");
  });

  test("prints every fault and exits with 78", async () => {
    const { code, out, err } = await run(["check-config"], { HTTP_PORT: "x", LOG_LEVEL: "loud" });
    expect([code, out]).toEqual([78, ""]);
    expect(err).toContain('  HTTP_PORT="x": ');
    expect(err).toContain('  LOG_LEVEL="loud": ');
  });
});

test("starling check-config makes no folder, and tells of one that cannot be made", async () => {
  const before = readdirSync(folder);
  expect((await run(["check-config"], { LOGS_DIR: "new/logs" })).code).toBe(0);
  const { code, err } = await run(["check-config"], { LOGS_DIR: "/dev/null/logs", HTTP_PORT: "x" });
  expect(code).toBe(78);
  expect(err).toContain('HTTP_PORT="x": ');
  expect(err).toContain('LOGS_DIR="/dev/null/logs": cannot be made');
  expect(readdirSync(folder)).toEqual(before);
});

test("starling start with a faulty configuration exits with 78 before it does anything", async () => {
  const { code, err } = await run(["start"], { HTTP_PORT: "x" });
  expect(code).toBe(78);
  expect(err).toStartWith("starling: the configuration has 1 fault:\n");
});

describe("starling token", () => {
  test("prints the day's token alone on a line", async () => {
    const expected = new Bun.CryptoHasher("sha512").update("secret2026-11-5").digest("hex");
    expect(await run(["token"], { AUTH_TOKEN_SECRET: "secret" })).toEqual({
      code: 0,
      out: `${expected}\n`,
      err: "",
    });
  });

  test("works where settings that it does not use are faulty", async () => {
    const environment = { AUTH_TOKEN_SECRET: "secret", NODE_ENV: "production", HTTP_PORT: "x" };
    expect((await run(["token"], environment)).code).toBe(0);
  });

  test("without a secret, or with a faulty hour, exits with 78", async () => {
    const { code, out, err } = await run(["token"]);
    expect([code, out]).toEqual([78, ""]);
    expect(err).toContain("AUTH_TOKEN_SECRET");
    const faulty = { AUTH_TOKEN_SECRET: "secret", IO_TOKEN_RENEW_START_HOUR: "24" };
    expect((await run(["token"], faulty)).code).toBe(78);
  });
});

describe("starling publish", () => {
  interface Request {
    readonly path: string;
    readonly authorization: string | null;
    readonly body: string;
  }
  let requests: Request[] = [];
  let answer: () => Response;
  let server: Bun.Server<undefined>;
  beforeAll(async () => {
    const { cert, key } = await developmentCertificate(join(folder, ".starling"), Date);
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      async fetch(request) {
        requests.push({
          path: `${request.method} ${new URL(request.url).pathname}`,
          authorization: request.headers.get("authorization"),
          body: await request.text(),
        });
        return answer();
      },
    });
  });
  afterAll(() => server.stop(true));
  beforeEach(() => {
    requests = [];
    answer = () => Response.json({ ok: true, subscribers: 3 });
  });
  const environment = (): Environment => ({ PRODUCER_PORT: String(server.port) });

  test("posts the data as the text that it is, and prints the answer", async () => {
    const json = '{ "big": 12345678901234567890, "text": "\\u00e9" }';
    const args = ["publish", "demo:hello", json, "--event", "message", "--app", "shop"];
    expect(await run(args, environment())).toEqual({
      code: 0,
      out: '{"ok":true,"subscribers":3}\n',
      err: "",
    });
    expect(requests).toEqual([
      {
        path: "POST /api/publish",
        authorization: null,
        body: `{"channel":"demo:hello","event":"message","app":"shop","data":${json}}`,
      },
    ]);
  });

  test("leaves out what was not given, and takes a negative number after --", async () => {
    await run(["publish", "counter", "--", "-1"], environment());
    expect(requests[0]?.body).toBe('{"channel":"counter","data":-1}');
  });

  test("sends the key that is given, else the first that is configured", async () => {
    const withKeys = { ...environment(), API_KEYS: "0123456789abcdef,fedcba9876543210" };
    await run(["publish", "c", "1"], withKeys);
    await run(["publish", "c", "1", "--api-key", "mine"], withKeys);
    expect(requests.map((request) => request.authorization)).toEqual([
      "Bearer 0123456789abcdef",
      "Bearer mine",
    ]);
  });

  test("trusts the development certificate by itself, or any when told to", async () => {
    const elsewhere = { ...environment(), STATE_DIR: join(folder, "elsewhere") };
    const untrusted = await run(["publish", "c", "1"], elsewhere);
    expect(untrusted.code).toBe(69);
    expect(untrusted.err).toContain("certificate that is not trusted");
    expect(requests).toEqual([]);
    expect((await run(["publish", "c", "1", "--insecure"], elsewhere)).code).toBe(0);
    const url = `https://127.0.0.1:${server.port}`;
    expect((await run(["publish", "c", "1", "--url", url])).code).toBe(0);
  });

  test("that the gateway refuses tells why, with an exit code of its kind", async () => {
    const refusals = [
      ["unauthorized", 77],
      ["address_forbidden", 77],
      ["invalid_request", 65],
      ["body_too_large", 65],
      ["rate_limited", 75],
      ["too_many_handshakes", 75],
      ["internal", 69],
    ] as const;
    for (const [name, code] of refusals) {
      const error = new StarlingError(name);
      answer = () => Response.json(errorBody(error), { status: error.status });
      const outcome = await run(["publish", "c", "1"], environment());
      expect([outcome.code, outcome.out]).toEqual([code, ""]);
      expect(outcome.err).toContain(error.message);
    }
  });

  test("of what is no JSON exits with 65 and sends nothing", async () => {
    const { code, err } = await run(["publish", "c", "{oops"], environment());
    expect(code).toBe(65);
    expect(err).toContain("JSON cannot be read");
    expect(requests).toEqual([]);
  });

  test("where nothing listens exits with 69", async () => {
    const closed = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const url = `https://127.0.0.1:${closed.port}`;
    await closed.stop(true);
    const { code, err } = await run(["publish", "c", "1", "--url", url]);
    expect(code).toBe(69);
    expect(err).toBe(`starling: ${url} cannot be reached (ECONNREFUSED)\n`);
  });

  test("to what is no address is a usage fault", async () => {
    expect((await run(["publish", "c", "1", "--url", "ftp://localhost"])).code).toBe(64);
  });
});
