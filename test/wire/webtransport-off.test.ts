/** A gateway that cannot serve WebTransport. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { starling } from "../support/command.ts";
import { eventually } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { httpsCall } from "../support/https.ts";

setDefaultTimeout(60_000);

const OFF = "WebTransport is off, everything else works: see to the cause, or set WEBTRANSPORT=0";
const WAITING =
  "WebTransport waits for its UDP port, everything else works: see who has it, or set WEBTRANSPORT=0";

const DENO = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "starling-deno-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program in the place of Deno. */
function program(name: string, text: string, mode = 0o755): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** What `starling status` tells of the quic worker. */
async function quicStatus(gateway: GatewayProcess): Promise<{ state: string; reason?: string }> {
  const environment = { STATE_DIR: join(gateway.folder, "state") };
  const { out } = await starling(["status", "--json"], gateway.folder, environment);
  return JSON.parse(out).workers.find(({ kind }: { kind: string }) => kind === "quic");
}

/** What the greeting tells of WebTransport. */
function greetingLine(gateway: GatewayProcess): Promise<string> {
  return eventually("the greeting", async () => {
    return /^ {2}WebTransport {2}(.+)$/m.exec(gateway.greeting)?.[1];
  });
}

async function expectReady({ subscriberUrl, publisherUrl, ca }: GatewayProcess): Promise<void> {
  for (const url of [subscriberUrl, publisherUrl]) {
    expect((await httpsCall(`${url}/ready`, ca)).status).toBe(200);
  }
}

describe("where Deno cannot run, one line says why, and everything else works", () => {
  test.each([
    ["no such program", () => join(folder, "none"), /none cannot be run \(ENOENT\)$/],
    [
      "no right to run it",
      () => program("data", "#!/bin/sh\n", 0o644),
      /cannot be run \(EACCES\)$/,
    ],
    [
      "a program of another system",
      () => program("alien", "\x7fELF?"),
      /cannot be run \(ENOEXEC\)$/,
    ],
    [
      "a library that is too old",
      () =>
        program("libc", '#!/bin/sh\necho "deno: version \\`GLIBC_2.99\' not found" >&2; exit 1\n'),
      /did not start \(exit code 1\): deno: version `GLIBC_2\.99' not found$/,
    ],
    [
      "an end without a word",
      () => program("mute", "#!/bin/sh\n"),
      /did not start \(exit code 0\): .*\/mute ended without a word; is it Deno 2\.9 or later\?$/,
    ],
    [
      "a Deno without QUIC",
      // What the flag makes available is not there without it, as in a version that has none.
      () => program("old", `#!/bin/sh\nexec ${DENO} $(echo "$@" | sed s/--unstable-net//)\n`),
      /Deno \d+\.\d+\.\d+ has no QUIC: 2\.9 or later is needed$/,
    ],
  ])("%s", async (_name, deno, expected) => {
    const gateway = await startGatewayProcess({ WEBTRANSPORT: "1", DENO_PATH: deno() });
    try {
      const line = await gateway.nextLine(OFF);
      const { level, reason } = line;
      expect([level, reason]).toEqual(["warn", expect.stringMatching(expected)]);
      expect(gateway.logLines.filter(({ worker }) => worker === "quic")).toEqual([line]);
      await expectReady(gateway);
      expect(await quicStatus(gateway)).toMatchObject({ state: "given up", reason });
      expect(await greetingLine(gateway)).toBe("off, see the log");
    } finally {
      expect(await gateway.stop()).toBe(0);
    }
  });
});

/** Takes a UDP port of the loopback address. */
async function occupied(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

test("a UDP port that somebody else has is waited for, and told of once", async () => {
  const socket = await occupied();
  const { port } = socket.address();
  const gateway = await startGatewayProcess({ WEBTRANSPORT: "1", CONSUMER_PORT: String(port) });
  try {
    const line = await gateway.nextLine(WAITING);
    const { level, reason } = line;
    expect([level, reason]).toEqual([
      "warn",
      expect.stringContaining(`UDP port ${port} cannot be had: Address already in use`),
    ]);
    expect(await quicStatus(gateway)).toMatchObject({ reason });
    await expectReady(gateway);
    socket.close();
    await gateway.nextLine("WebTransport listening");
    expect((await quicStatus(gateway)).state).toBe("ready");
    expect(gateway.logLines.filter(({ msg }) => msg === WAITING)).toEqual([line]);
  } finally {
    expect(await gateway.stop()).toBe(0);
  }
});

test("a port that the system chooses is one for TCP and UDP, and the greeting tells both", async () => {
  const gateway = await startGatewayProcess({ WEBTRANSPORT: "1" });
  try {
    const { url, port } = await gateway.nextLine("WebTransport listening");
    expect([url, port]).toEqual([
      gateway.subscriberUrl,
      Number(new URL(gateway.subscriberUrl).port),
    ]);
    const socket = createSocket("udp4");
    socket.bind(Number(port), "127.0.0.1");
    const [{ code }] = await once(socket, "error");
    expect(code).toBe("EADDRINUSE");
    expect(await greetingLine(gateway)).toBe(`${url} (UDP)`);
  } finally {
    expect(await gateway.stop()).toBe(0);
  }
});
