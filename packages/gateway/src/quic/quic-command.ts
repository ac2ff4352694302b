import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { QuicWorkerConfig } from "@starling/quic-worker/config.ts";
import type { Environment } from "../config/environment.ts";

/** How the quic worker is run. */
export interface QuicCommand {
  /** The program of Deno, then its arguments; nothing that is secret. */
  readonly command: readonly string[];
  readonly environment: Record<string, string>;
}

/** What the command needs to know beside the configuration of the worker. */
export interface QuicPlace {
  readonly environment: Environment;
  /** Where Deno keeps what it has compiled. */
  readonly cacheDir: string;
  /** The program of Deno; undefined for the one that is installed. */
  readonly denoPath: string | undefined;
  /** The worker's program: its file, after options that it needs. */
  readonly program: readonly string[];
}

/** Why there can be no quic worker. */
export class NoQuicWorker extends Error {}

/** What of the environment Deno and its `fetch` know. */
const PASSED_ON = [
  "PATH",
  "HOME",
  "TMPDIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "LD_LIBRARY_PATH",
] as const;

/** Packages of the program of Deno, for the systems that Starling runs on. */
const PLATFORM_PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "@deno/linux-x64-glibc",
  "linux-arm64": "@deno/linux-arm64-glibc",
  "darwin-x64": "@deno/darwin-x64",
  "darwin-arm64": "@deno/darwin-arm64",
};

/**
 * The command of a worker with that configuration, which may do what it has to and nothing else.
 *
 * @throws NoQuicWorker when Deno is not installed
 */
export function quicCommand(
  config: QuicWorkerConfig,
  { environment, cacheDir, denoPath, program }: QuicPlace,
): QuicCommand {
  const socket = escaped(config.socket);
  const { DENO_DIR = cacheDir } = environment;
  const net = [
    `${bracketed(config.host)}:${config.port}`,
    `unix:${socket}`,
    ...askedServers(config).map(escaped),
  ];
  return {
    command: [
      denoPath ?? installedDeno(environment),
      "run",
      "--quiet",
      "--no-prompt",
      "--no-remote",
      "--no-check",
      "--no-lock",
      "--unstable-net",
      // Else the garbage of 1,000 handshakes leaves the heap 20 MB larger, for no less work.
      "--v8-flags=--max-semi-space-size=2",
      `--allow-net=${net.join(",")}`,
      `--allow-read=${socket}`,
      `--allow-write=${socket}`,
      // A library of Socket.IO looks through it; it holds what stands below and nothing else.
      "--allow-env",
      ...program,
    ],
    environment: {
      ...passedOn(environment),
      DENO_DIR,
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
    },
  };
}

/** The servers that the worker asks about clients, and those of NATS, as `host:port`. */
function askedServers({ settings: { jwt, webhook, nats } }: QuicWorkerConfig): string[] {
  const asked = [jwt?.keySet?.url, webhook?.url]
    .filter((url) => url !== undefined)
    .map((text) => {
      const { protocol, hostname, port } = new URL(text);
      return `${hostname}:${port === "" ? (protocol === "https:" ? 443 : 80) : port}`;
    });
  return [...asked, ...(nats?.servers ?? [])];
}

function passedOn(environment: Environment): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value !== undefined) passed[name] = value;
  }
  // The same meaning under another name.
  const { NODE_EXTRA_CA_CERTS: DENO_CERT } = environment;
  return DENO_CERT === undefined ? passed : { ...passed, DENO_CERT };
}

/** The one of the npm package, which is the one that was tested, or else one of the system. */
function installedDeno({ PATH = "" }: Environment): string {
  const program = packagedDeno() ?? Bun.which("deno", { PATH });
  if (program !== null) return program;
  throw new NoQuicWorker(
    "there is no Deno: install the npm package deno, put deno into PATH, or set DENO_PATH",
  );
}

function packagedDeno(): string | null {
  const name = PLATFORM_PACKAGES[`${process.platform}-${process.arch}`];
  const require = createRequire(import.meta.url);
  try {
    const owner = createRequire(require.resolve("deno/package.json"));
    const program = join(dirname(owner.resolve(`${name}/package.json`)), "deno");
    return existsSync(program) ? program : null;
  } catch {
    return null;
  }
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** A comma separates what Deno allows. */
function escaped(text: string): string {
  return text.replaceAll(",", ",,");
}
