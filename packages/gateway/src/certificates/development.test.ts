import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { developmentCertificate } from "./development.ts";

const DAY = 86_400_000;
let parent: string;
let stateDir: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "starling-certificate-"));
  stateDir = join(parent, "state");
});
afterEach(() => rmSync(parent, { recursive: true }));

describe("the development certificate", () => {
  test("names localhost and both loopback addresses, with a P-256 key", async () => {
    const { cert } = await developmentCertificate(stateDir, new FakeClock());
    const certificate = new X509Certificate(cert);
    for (const host of ["localhost", "127.0.0.1", "::1"]) {
      const matched =
        host === "localhost" ? certificate.checkHost(host) : certificate.checkIP(host);
      expect(matched).toBe(host);
    }
    expect(certificate.checkHost("example.org")).toBeUndefined();
    expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });

  test("is valid for 14 days at most, from a little before now", async () => {
    const clock = new FakeClock(Date.UTC(2026, 1, 27, 23, 59, 59, 999));
    const certificate = new X509Certificate((await developmentCertificate(stateDir, clock)).cert);
    const from = Date.parse(certificate.validFrom);
    const to = Date.parse(certificate.validTo);
    expect(from).toBeLessThan(clock.now());
    // The last second belongs to the validity.
    expect(to + 1000 - from).toBe(14 * DAY);
  });

  test("is told with the SHA-256 of its DER form", async () => {
    const { cert, fingerprint } = await developmentCertificate(stateDir, new FakeClock());
    const digest = createHash("sha256").update(new X509Certificate(cert).raw).digest("hex");
    expect(fingerprint.replaceAll(":", "").toLowerCase()).toBe(digest);
  });

  test("is kept in the state folder, the key for its owner only", async () => {
    const { cert, key, certFile } = await developmentCertificate(stateDir, new FakeClock());
    expect(certFile).toBe(join(stateDir, "dev-cert.pem"));
    expect(readFileSync(certFile, "utf8")).toBe(cert);
    expect(readFileSync(join(stateDir, "dev-key.pem"), "utf8")).toBe(key);
    expect(statSync(join(stateDir, "dev-key.pem")).mode & 0o777).toBe(0o600);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
  });

  test("is used again while more than a week of it remains, and then renewed", async () => {
    const clock = new FakeClock();
    const first = await developmentCertificate(stateDir, clock);
    clock.advance(6 * DAY);
    expect(await developmentCertificate(stateDir, clock)).toEqual(first);
    clock.advance(DAY);
    const second = await developmentCertificate(stateDir, clock);
    expect(second.fingerprint).not.toBe(first.fingerprint);
    expect(await developmentCertificate(stateDir, clock)).toEqual(second);
  });

  test("is renewed by no process that starts later, as long as it is valid", async () => {
    const clock = new FakeClock();
    const first = await developmentCertificate(stateDir, clock);
    clock.jumpTo(Date.parse(new X509Certificate(first.cert).validTo));
    expect(await developmentCertificate(stateDir, clock, "later")).toEqual(first);
    clock.advance(1000);
    expect((await developmentCertificate(stateDir, clock, "later")).cert).not.toBe(first.cert);
  });

  test("is made anew where the clock was set back before its validity", async () => {
    const clock = new FakeClock();
    const first = await developmentCertificate(stateDir, clock);
    clock.jumpTo(clock.now() - 30 * DAY);
    expect((await developmentCertificate(stateDir, clock)).cert).not.toBe(first.cert);
  });

  test("is made anew where its files are damaged or do not belong together", async () => {
    const clock = new FakeClock();
    const first = await developmentCertificate(stateDir, clock);
    writeFileSync(first.certFile, "garbage");
    const second = await developmentCertificate(stateDir, clock);
    expect(second.cert).not.toBe(first.cert);
    writeFileSync(join(stateDir, "dev-key.pem"), first.key);
    const third = await developmentCertificate(stateDir, clock);
    expect([first.cert, second.cert]).not.toContain(third.cert);
  });

  test("takes a key that others could read back for its owner", async () => {
    const clock = new FakeClock();
    const first = await developmentCertificate(stateDir, clock);
    chmodSync(join(stateDir, "dev-key.pem"), 0o644);
    expect(await developmentCertificate(stateDir, clock)).toEqual(first);
    expect(statSync(join(stateDir, "dev-key.pem")).mode & 0o777).toBe(0o600);
  });

  test("serves TLS to a client that trusts it alone", async () => {
    const { cert, key } = await developmentCertificate(stateDir, { now: Date.now });
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      fetch: () => new Response("served"),
    });
    try {
      const url = `https://localhost:${server.port}/`;
      const response = await fetch(url, { tls: { ca: cert } });
      expect(await response.text()).toBe("served");
      await expect(fetch(url)).rejects.toThrow();
    } finally {
      await server.stop(true);
    }
  });
});
