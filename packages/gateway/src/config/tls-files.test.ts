import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { developmentCertificate } from "../certificates/development.ts";
import type { Environment } from "./environment.ts";
import { ConfigFolder, DAY, NOW, production, variablesOf } from "./testing/config-folder.ts";
import { configWarnings } from "./warnings.ts";

let folder: ConfigFolder;
beforeAll(async () => {
  folder = await ConfigFolder.make();
});
afterAll(() => folder[Symbol.dispose]());

describe("certificate files", () => {
  const files = (cert: string, key: string): Environment => ({
    PUB_KEY_PATH: cert,
    PRIV_KEY_PATH: key,
  });

  test("that cannot be read or are no PEM are faults, each with its own", () => {
    expect(folder.faultsOf(files("missing.pem", "garbage.pem"))).toEqual([
      { variable: "PUB_KEY_PATH", value: "missing.pem", message: "cannot be read (ENOENT)" },
      {
        variable: "PRIV_KEY_PATH",
        value: "garbage.pem",
        message: "is no PEM private key without a password",
      },
    ]);
    expect(folder.faultsOf(files("garbage.pem", "one-key.pem"))[0]?.message).toBe(
      "is no PEM certificate",
    );
  });

  test("that do not belong together are a fault", () => {
    const [fault] = folder.faultsOf(files("one.pem", "two-key.pem"));
    expect(fault?.variable).toBe("PRIV_KEY_PATH");
    expect(fault?.message).toBe("is not the private key of the certificate");
  });

  test("come in pairs in development too", () => {
    expect(variablesOf(folder.faultsOf({ PUB_KEY_PATH: "one.pem" }))).toEqual(["PRIV_KEY_PATH"]);
    expect(variablesOf(folder.faultsOf({ PRIV_KEY_PATH: "one-key.pem" }))).toEqual([
      "PUB_KEY_PATH",
    ]);
  });

  test("may be expired in development", () => {
    expect(folder.faultsOf(files("one.pem", "one-key.pem"), { now: NOW + 30 * DAY })).toEqual([]);
  });

  test("of authorities may be out of their validity in development, not in production", () => {
    const environment = { CA_PATH: "two.pem" };
    expect(folder.faultsOf(environment, { now: NOW + 30 * DAY })).toEqual([]);
    const faults = folder.faultsOf({ ...production, ...environment }, { now: NOW + 30 * DAY });
    expect(faults.map(({ variable, message }) => `${variable} ${message}`)).toEqual([
      "PUB_KEY_PATH expired at 2026-06-14T22:59:59Z",
      "CA_PATH expired at 2026-06-14T22:59:59Z",
    ]);
  });

  test("of authorities of which one is still good are no fault", async () => {
    const late = NOW + 30 * DAY;
    const { certFile, cert } = await developmentCertificate(join(folder.path, "late"), {
      now: () => late,
    });
    const keyFile = join(folder.path, "late", "dev-key.pem");
    const old = readFileSync(join(folder.path, "one.pem"), "utf8");
    folder.write("both.pem", `${old}${cert}`);
    const environment = {
      ...production,
      PUB_KEY_PATH: certFile,
      PRIV_KEY_PATH: keyFile,
      CA_PATH: "both.pem",
    };
    expect(folder.faultsOf(environment, { now: late })).toEqual([]);
    expect(configWarnings(folder.load(environment, { now: late }), late)).toContain(
      `CA_PATH=${join(folder.path, "both.pem")} certificate 1 expired at 2026-06-14T22:59:59Z: publishers with its certificates are refused`,
    );
  });

  test("that are expired give a warning in development", () => {
    const config = folder.load(files("one.pem", "one-key.pem"));
    const warned = (now: number) =>
      configWarnings(config, now).some((text) => text.includes("one.pem expired at 2026-06-14"));
    expect([warned(NOW), warned(NOW + 30 * DAY)]).toEqual([false, true]);
  });

  test("of authorities must hold a certificate", () => {
    const environment = { VERIFY_ORIGIN: "1", CA_PATH: "garbage.pem" };
    expect(folder.faultsOf(environment)[0]?.message).toBe("holds no PEM certificate");
    expect(folder.faultsOf({ ...environment, CA_PATH: "two.pem" })).toEqual([]);
  });
});
