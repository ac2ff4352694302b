import { createHash, X509Certificate } from "node:crypto";
import { type Browser, chromium } from "playwright-core";

/** The names under which systems install the browser. */
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Starts a headless Chromium with a profile of its own that trusts, beside the public authorities,
 * the key of one self-signed certificate and no other.
 *
 * @param certificate PEM
 * @param flags more of its command line
 */
export function launchChromium(
  certificate: string,
  flags: readonly string[] = [],
): Promise<Browser> {
  return chromium.launch({
    executablePath: installedChromium(),
    args: [...FLAGS, ...flags, `--ignore-certificate-errors-spki-list=${keyDigest(certificate)}`],
  });
}

function installedChromium(): string {
  for (const name of NAMES) {
    const path = Bun.which(name);
    if (path !== null) return path;
  }
  throw new Error(
    `The browser tests need Chromium and found none of ${NAMES.join(", ")} on the PATH. ` +
      "On Debian or Ubuntu: apt-get install chromium",
  );
}

/** Base64 of the SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 7469, section 2.4). */
function keyDigest(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}
