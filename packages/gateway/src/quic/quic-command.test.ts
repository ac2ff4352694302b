import { expect, test } from "bun:test";
import type { QuicWorkerConfig } from "@starling/quic-worker/config.ts";
import { loadConfig } from "../config/load.ts";
import { ratesOf } from "../node/node-options.ts";
import { quicCommand } from "./quic-command.ts";
import { quicConfig } from "./quic-config.ts";

const tls = { cert: "the certificate", key: "the private key", ca: undefined };

async function configOf(environment: Record<string, string>): Promise<QuicWorkerConfig> {
  const config = loadConfig(environment, { folder: "/tmp" });
  const prepared = await quicConfig(config, tls, "1.2.3");
  expect(prepared.rates).toEqual(ratesOf(config));
  return { ...prepared, worker: 7, socket: "/state, 1/broker.sock", port: 8443 };
}

const place = {
  environment: { PATH: "/bin", SECRET: "x" },
  cacheDir: "/state/deno",
  denoPath: undefined,
  program: ["/worker/main.ts"],
};

test("the worker may listen on its port, reach the node, and ask who says who a client is", async () => {
  const config = await configOf({
    HOST: "::1",
    AUTH_WEBHOOK_URL: "https://hook.example/auth",
    JWT_JWKS_URL: "http://127.0.0.1:9000/keys",
  });
  const { command, environment } = quicCommand(config, place);
  const socket = "/state,, 1/broker.sock";
  expect(command.filter((argument) => argument.startsWith("--allow"))).toEqual([
    `--allow-net=[::1]:8443,unix:${socket},127.0.0.1:9000,hook.example:443`,
    `--allow-read=${socket}`,
    `--allow-write=${socket}`,
    "--allow-env",
  ]);
  expect(command).toContain("--no-prompt");
  expect(environment).toEqual({
    PATH: "/bin",
    DENO_DIR: "/state/deno",
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
  });
});

test("no secret stands on its command line, and those of publishers are not even told", async () => {
  const config = await configOf({ JWT_SECRET: "s".repeat(32), API_KEYS: "an-api-key-of-a-shop" });
  const { command } = quicCommand(config, place);
  for (const secret of ["s".repeat(32), "the private key"]) {
    expect(command.join(" ")).not.toContain(secret);
  }
  expect(JSON.stringify(config)).not.toContain("an-api-key-of-a-shop");
});

test("Deno is the program that is named, or else the one of the npm package", async () => {
  const config = await configOf({});
  const program = (denoPath: string | undefined) =>
    quicCommand(config, { ...place, denoPath }).command[0];
  expect(program("/opt/deno")).toBe("/opt/deno");
  expect(program(undefined)).toMatch(/node_modules\/@deno\/[^/]+\/deno$/);
});

test("a name of the host is looked up, since QUIC binds to an address", async () => {
  expect((await configOf({ HOST: "localhost" })).host).toMatch(/^(127\.0\.0\.1|::1)$/);
});
