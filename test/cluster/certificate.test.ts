/** `starling restart` serves another certificate, over TCP and UDP alike. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { httpsCall } from "../support/https.ts";
import { PUBLIC_KEY } from "../support/presence-scenarios.ts";
import { probeQuic } from "../support/quic-probe.ts";
import { certificateHash, ServerCertificate } from "../support/server-certificate.ts";

setDefaultTimeout(60_000);

const LISTENING = "WebTransport listening";
const settings = { WEBTRANSPORT: "1", PUBLIC_KEYS: PUBLIC_KEY, DRAIN_SECONDS: "1" };

let folder: string;
let node: NodeUnderTest | undefined;
afterEach(async () => {
  await node?.stop();
  node = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function start(environment: (folder: string) => Record<string, string>) {
  folder = mkdtempSync(join(tmpdir(), "starling-renewal-"));
  node = await NodeUnderTest.start(2, { ...settings, ...environment(folder) });
  await node.process.nextLine(LISTENING);
  return node;
}

/** Puts a new certificate in the place of another; answers its hash. */
function put(certFile: string, keyFile: string): string {
  using made = new ServerCertificate();
  copyFileSync(made.keyFile, keyFile);
  copyFileSync(made.certFile, certFile);
  return made.hash;
}

/** The hash of the certificate that clients of TCP are shown. */
function shownOverTcp({ process }: NodeUnderTest): Promise<string> {
  const { hostname: host, port } = new URL(process.subscriberUrl);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
    resolve(certificateHash(socket.getPeerX509Certificate()?.toString() ?? ""));
    socket.destroy();
  });
  socket.once("error", reject);
  return promise;
}

/** Whether clients of UDP are shown the certificate with that hash. */
async function isShownOverUdp({ process }: NodeUnderTest, hash: string): Promise<boolean> {
  const query = new URLSearchParams({ publickey: PUBLIC_KEY, id: "ada", v: "2" });
  const outcome = await probeQuic(`${process.subscriberUrl}/v1?${query}`, hash);
  if (outcome !== "open") expect(outcome).toContain("invalid peer certificate");
  return outcome === "open";
}

test("the files that are configured are read anew", async () => {
  const certFile = () => join(folder, "cert.pem");
  const keyFile = () => join(folder, "key.pem");
  let first = "";
  const restarted = await start(() => {
    first = put(certFile(), keyFile());
    return { PUB_KEY_PATH: certFile(), PRIV_KEY_PATH: keyFile() };
  });
  expect(await shownOverTcp(restarted)).toBe(first);
  expect(await isShownOverUdp(restarted, first)).toBe(true);

  const second = put(certFile(), keyFile());
  expect(await isShownOverUdp(restarted, first)).toBe(true);
  expect(await restarted.starling("restart")).toMatchObject({ code: 0 });
  expect(await shownOverTcp(restarted)).toBe(second);
  expect(await isShownOverUdp(restarted, second)).toBe(true);
  expect(await isShownOverUdp(restarted, first)).toBe(false);
});

test("a development certificate with less than a week left is renewed, and pages are told its hash", async () => {
  const state = () => join(folder, "state");
  const restarted = await start(() => ({ STATE_DIR: state() }));
  const told = async () => {
    const url = `${restarted.process.subscriberUrl}/v1/certificate-hash`;
    const ca = readFileSync(join(state(), "dev-cert.pem"), "utf8");
    return JSON.parse((await httpsCall(url, ca)).text).value;
  };
  const first = await told();
  expect(await isShownOverUdp(restarted, first)).toBe(true);

  // Of two days, as if the node had run for twelve.
  const aged = put(join(state(), "dev-cert.pem"), join(state(), "dev-key.pem"));
  expect(await restarted.starling("restart")).toMatchObject({ code: 0 });
  const second = await told();
  expect([first, aged]).not.toContain(second);
  expect(await shownOverTcp(restarted)).toBe(second);
  expect(await isShownOverUdp(restarted, second)).toBe(true);
  expect(await isShownOverUdp(restarted, first)).toBe(false);
});
