import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DevelopmentCertificate, developmentCertificate } from "./development.ts";
import {
  keyMatches,
  readCertificate,
  readCertificates,
  readPrivateKey,
  validityProblem,
} from "./inspect.ts";

const NOW = Date.UTC(2026, 0, 1);
let folder: string;
let one: DevelopmentCertificate;
let two: DevelopmentCertificate;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "starling-inspect-"));
  one = await developmentCertificate(join(folder, "one"), { now: () => NOW });
  two = await developmentCertificate(join(folder, "two"), { now: () => NOW });
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(pem: string) {
  const certificate = readCertificate(pem);
  if (certificate === undefined) throw new Error("no certificate");
  return certificate;
}

describe("a certificate", () => {
  test("is the first of a chain, whatever text is around", () => {
    const chain = `Bag Attributes\n${one.cert}\nmore text\n${two.cert}`;
    expect(read(chain).fingerprint).toBe(one.fingerprint);
    expect(readCertificates(chain).map((found) => found.fingerprint)).toEqual([
      one.fingerprint,
      two.fingerprint,
    ]);
  });

  test("is not found in a key, in nothing and in damaged text", () => {
    for (const pem of [one.key, "", one.cert.replace(/[A-Za-z]{20}/, "AAAA")]) {
      expect(readCertificate(pem)).toBeUndefined();
    }
  });

  test("has no problem up to the last moment of its validity", () => {
    const certificate = read(one.cert);
    expect(validityProblem(certificate, certificate.notBefore)).toBeUndefined();
    expect(validityProblem(certificate, certificate.notAfter)).toBeUndefined();
    expect(validityProblem(certificate, certificate.notAfter + 1)?.kind).toBe("expired");
    expect(validityProblem(certificate, certificate.notBefore - 1)?.kind).toBe("not-yet-valid");
  });
});

describe("a private key", () => {
  test("belongs to its own certificate only", () => {
    const key = readPrivateKey(one.key);
    if (key === undefined) throw new Error("no key");
    expect(keyMatches(read(one.cert), key)).toBe(true);
    expect(keyMatches(read(two.cert), key)).toBe(false);
  });

  test("is not found in a certificate or in text", () => {
    expect(readPrivateKey(one.cert)).toBeUndefined();
    expect(readPrivateKey("text")).toBeUndefined();
  });
});
