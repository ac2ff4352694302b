/** `starling publish` against a gateway with certificates of authorities that the system does not know. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ClientAuthority } from "../support/client-certificates.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { NEW_KEY, openssl } from "../support/openssl.ts";

setDefaultTimeout(60_000);

const COMMAND = fileURLToPath(new URL("../../packages/gateway/src/cli/main.ts", import.meta.url));
const { PATH = "" } = process.env;
const folder = mkdtempSync(join(tmpdir(), "starling-publish-"));
const authority = new ClientAuthority("publishers");
let gateway: GatewayProcess;
beforeAll(async () => {
  issueServerCertificate();
  const { cert, key } = authority.issue("backend");
  writeFileSync(join(folder, "client.pem"), String(cert));
  writeFileSync(join(folder, "client-key.pem"), String(key));
  gateway = await startGatewayProcess({
    PUB_KEY_PATH: join(folder, "server.pem"),
    PRIV_KEY_PATH: join(folder, "server-key.pem"),
    VERIFY_ORIGIN: "1",
    CA_PATH: authority.file,
  });
});
afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  authority[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** A certificate for localhost, issued by an authority whose own certificate nobody gets. */
function issueServerCertificate(): void {
  const authority = ["-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=own", "-days", "2"];
  openssl(folder, ["req", "-x509", ...NEW_KEY, ...authority]);
  const request = ["-keyout", "server-key.pem", "-out", "server.csr", "-subj", "/CN=localhost"];
  openssl(folder, ["req", "-new", ...NEW_KEY, ...request]);
  writeFileSync(join(folder, "names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const issuer = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2"];
  const files = ["-in", "server.csr", "-out", "server.pem", "-extfile", "names"];
  openssl(folder, ["x509", "-req", ...files, ...issuer]);
}

async function publish(options: readonly string[], environment: Record<string, string>) {
  const args = ["publish", "c", "1", "--url", gateway.publisherUrl, ...options];
  const child = Bun.spawn([process.execPath, COMMAND, ...args], {
    cwd: folder,
    env: { PATH, ...environment },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

const trusting = { PUB_KEY_PATH: "server.pem" };
const client = ["--cert", "client.pem", "--key", "client-key.pem"];

test("the configured certificate is trusted, and the client certificate is sent", async () => {
  expect(await publish(client, trusting)).toEqual({
    code: 0,
    out: '{"ok":true,"subscribers":0}\n',
    err: "",
  });
});

test("a certificate that nothing vouches for is not trusted", async () => {
  const { code, err } = await publish(client, {});
  expect(code).toBe(69);
  expect(err).toContain("has a certificate that is not trusted");
});

test("without its client certificate the gateway does not answer", async () => {
  expect((await publish([], trusting)).code).toBe(69);
});

test("a client certificate needs its key, and files that can be read", async () => {
  const alone = await publish(["--cert", "client.pem"], trusting);
  expect([alone.code, alone.err]).toEqual([64, "starling: --cert and --key need each other\n"]);
  const missing = await publish(["--cert", "client.pem", "--key", "missing.pem"], trusting);
  expect(missing.code).toBe(64);
  expect(missing.err).toContain(`--key ${join(folder, "missing.pem")} cannot be read (ENOENT)`);
});
