import type { Config } from "../config/config.ts";

/** What the banner tells. */
export interface BannerFacts {
  readonly version: string;
  readonly publisherUrl: string;
  readonly subscriberUrl: string;
  /** The file of the development certificate. */
  readonly certFile: string;
}

/** The text that greets who starts a gateway: addresses and, in development, what to try first. */
export function banner(config: Config, facts: BannerFacts): string {
  const publishers = displayUrl(facts.publisherUrl);
  const subscribers = displayUrl(facts.subscriberUrl);
  const lines = [
    "",
    `  Starling ${facts.version} is running in ${config.production ? "production" : "development"}.`,
    "",
    `  Publishers   ${publishers}`,
    `  Subscribers  ${subscribers}`,
  ];
  if (!config.production) {
    lines.push(
      `  Demo page    ${subscribers}/demo`,
      "",
      "  Open the demo page, accept its certificate, then publish an event:",
      "",
      `  ${curlLine(config, publishers, facts.certFile)}`,
    );
    if (config.apiKeys.length > 0) lines.push("", "  Put one of API_KEYS in the place of KEY.");
    if (config.tls.verifyOrigin) {
      lines.push("", "  VERIFY_ORIGIN=1: add --cert FILE --key FILE with a client certificate.");
    }
  }
  return `${lines.join("\n")}\n\n`;
}

/** A command for a POSIX shell that publishes to the demo page's channel. */
function curlLine(config: Config, publishers: string, certFile: string): string {
  const words = ["curl"];
  if (config.tls.certificate.kind === "development") words.push("--cacert", shellWord(certFile));
  words.push(`${publishers}/api/publish`);
  if (config.apiKeys.length > 0) words.push("-H", shellWord("authorization: Bearer KEY"));
  words.push("-H", shellWord("content-type: application/json"));
  const publication = { channel: "demo:hello", event: "message", data: { text: "Hello" } };
  words.push("-d", shellWord(JSON.stringify(publication)));
  return words.join(" ");
}

const LOOPBACK_OR_ANY = new Set(["127.0.0.1", "0.0.0.0", "[::1]", "[::]"]);

/** The address as a person on this machine types it; certificates name `localhost`. */
function displayUrl(address: string): string {
  const url = new URL(address);
  if (LOOPBACK_OR_ANY.has(url.hostname)) url.hostname = "localhost";
  return url.origin;
}

/** One word of a POSIX shell, in single quotes where it needs them. */
function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
