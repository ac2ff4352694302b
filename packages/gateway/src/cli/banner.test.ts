import { describe, expect, test } from "bun:test";
import { $ } from "bun";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { type BannerFacts, banner } from "./banner.ts";

const config = loadConfig({});
const facts: BannerFacts = {
  version: "1.2.3",
  publisherUrl: "https://127.0.0.1:2053",
  subscriberUrl: "https://127.0.0.1:8443",
  webTransport: "served",
  certFile: "/srv/starling/.starling/dev-cert.pem",
};

/** The arguments of curl as a POSIX shell would pass them. */
async function curlArguments(text: string): Promise<string[]> {
  const line = text.split("\n").find((candidate) => candidate.trim().startsWith("curl "));
  const script = `curl() { for word; do printf '%s\\0' "$word"; done; }; ${line}`;
  const printed = await $`sh -c ${script}`.text();
  return printed.split("\0").slice(0, -1);
}

describe("the banner in development", () => {
  test("tells the addresses by the name that the certificate has", () => {
    const text = banner(config, facts);
    expect(text).toContain("Starling 1.2.3 is running in development.");
    expect(text).toContain("https://localhost:2053\n");
    expect(text).toContain("https://localhost:8443\n");
    expect(text).toContain("https://localhost:8443/demo\n");
  });

  test("tells what is served over UDP, or that it ought to be", () => {
    const lineOf = (
      webTransport: BannerFacts["webTransport"],
      subscriberUrl = facts.subscriberUrl,
    ) => {
      const text = banner(config, { ...facts, webTransport, subscriberUrl });
      return /^ {2}WebTransport {2}(.*)$/m.exec(text)?.[1];
    };
    // Where only IPv4 is served, localhost would be no address for a browser.
    expect(lineOf("served")).toBe("https://127.0.0.1:8443 (UDP)");
    expect(lineOf("served", "https://0.0.0.0:1")).toBe("https://127.0.0.1:1 (UDP)");
    expect(lineOf("served", "https://[::]:1")).toBe("https://localhost:1 (UDP)");
    expect(lineOf("not served")).toBe("off, see the log");
    expect(lineOf(undefined)).toBeUndefined();
  });

  test("has a curl line that publishes to the demo page and trusts its certificate", async () => {
    expect(await curlArguments(banner(config, facts))).toEqual([
      "--cacert",
      "/srv/starling/.starling/dev-cert.pem",
      "https://localhost:2053/api/publish",
      "-H",
      "content-type: application/json",
      "-d",
      '{"channel":"demo:hello","event":"message","data":{"text":"Hello"}}',
    ]);
  });

  test("quotes a folder with blanks and quotes for the shell", async () => {
    const certFile = "/home/o'neil/my $folder/dev-cert.pem";
    expect((await curlArguments(banner(config, { ...facts, certFile })))[1]).toBe(certFile);
  });

  test("never shows an API key, and tells where to put one", async () => {
    const withKeys: Config = { ...config, apiKeys: ["0123456789abcdef"] };
    const text = banner(withKeys, facts);
    expect(text).not.toContain("0123456789abcdef");
    expect(await curlArguments(text)).toContain("authorization: Bearer KEY");
  });

  test("trusts the certificate that is configured", async () => {
    const certificate = {
      kind: "files",
      certFile: "/etc/own.pem",
      keyFile: "/etc/key.pem",
    } as const;
    const own: Config = { ...config, tls: { ...config.tls, certificate } };
    expect((await curlArguments(banner(own, facts))).slice(0, 2)).toEqual([
      "--cacert",
      "/etc/own.pem",
    ]);
  });

  test("tells of the proxy instead of a command that would be refused", () => {
    const text = banner({ ...config, useProxy: true, apiKeys: ["0123456789abcdef"] }, facts);
    expect(text).not.toContain("curl");
    expect(text).not.toContain("KEY");
    expect(text).toContain("# USE_PROXY=1: publish through the proxy");
  });

  test("keeps an address that is not of loopback", () => {
    const text = banner(config, { ...facts, publisherUrl: "https://192.0.2.1:2053" });
    expect(text).toContain("https://192.0.2.1:2053\n");
  });
});

test("the banner in production tells the addresses and nothing to try", () => {
  const text = banner({ ...config, production: true }, facts);
  expect(text).toContain("https://localhost:8443");
  expect(text).not.toContain("demo");
  expect(text).not.toContain("curl");
});
