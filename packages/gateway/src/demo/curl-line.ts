import { isIPv4 } from "node:net";
import type { Config } from "../config/config.ts";

/** The channel that the demo page shows where nobody chose another one. */
export const DEMO_CHANNEL = "demo:hello";

const LOOPBACK_OR_ANY = new Set(["127.0.0.1", "0.0.0.0", "[::1]", "[::]"]);

/** The address as a person on this machine types it; certificates name `localhost`. */
export function displayUrl(address: string): string {
  const url = new URL(address);
  if (LOOPBACK_OR_ANY.has(url.hostname)) url.hostname = "localhost";
  return url.origin;
}

/**
 * The address for WebTransport: browsers try one address of a name alone, and for localhost that is
 * `::1`, which a listener of IPv4 does not have.
 */
export function quicUrl(subscriberUrl: string): string {
  const url = new URL(subscriberUrl);
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  return isIPv4(url.hostname) ? url.origin : displayUrl(subscriberUrl);
}

export interface CurlTarget {
  readonly publisherUrl: string;
  readonly channel: string;
  /** The file of the development certificate, for where none is configured. */
  readonly certFile: string;
}

/**
 * A command for a POSIX shell that publishes an event in a channel, or a comment where no command
 * on this machine could.
 */
export function curlLine(config: Config, target: CurlTarget): string {
  if (config.useProxy) return "# USE_PROXY=1: publish through the proxy; nobody else is let in.";
  const { certificate } = config.tls;
  const certFile = certificate.kind === "files" ? certificate.certFile : target.certFile;
  const words = ["curl", "--cacert", shellWord(certFile)];
  words.push(`${displayUrl(target.publisherUrl)}/api/publish`);
  if (config.apiKeys.length > 0) words.push("-H", shellWord("authorization: Bearer KEY"));
  words.push("-H", shellWord("content-type: application/json"));
  const publication = { channel: target.channel, event: "message", data: { text: "Hello" } };
  words.push("-d", shellWord(JSON.stringify(publication)));
  return words.join(" ");
}

/** One word of a POSIX shell, in single quotes where it needs them. */
function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
