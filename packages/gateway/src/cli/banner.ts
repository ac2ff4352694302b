import type { Config } from "../config/config.ts";
import { curlLine, DEMO_CHANNEL, displayUrl, quicUrl } from "../demo/curl-line.ts";

/** What the banner tells. */
export interface BannerFacts {
  readonly version: string;
  readonly publisherUrl: string;
  readonly subscriberUrl: string;
  /** Whether WebTransport is served, or ought to be; undefined where it is not wanted. */
  readonly webTransport: "served" | "not served" | undefined;
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
    `  Publishers    ${publishers}`,
    `  Subscribers   ${subscribers}`,
  ];
  if (facts.webTransport !== undefined) {
    const isServed = facts.webTransport === "served";
    const where = isServed ? `${quicUrl(facts.subscriberUrl)} (UDP)` : "off, see the log";
    lines.push(`  WebTransport  ${where}`);
  }
  if (!config.production) {
    lines.push(
      `  Demo page     ${subscribers}/demo`,
      "",
      "  Open the demo page, accept its certificate, then publish an event:",
      "",
      `  ${curlLine(config, { ...facts, channel: DEMO_CHANNEL })}`,
    );
    if (config.apiKeys.length > 0 && !config.useProxy)
      lines.push("", "  Put one of API_KEYS in the place of KEY.");
    if (config.tls.verifyOrigin && !config.useProxy) {
      lines.push("", "  VERIFY_ORIGIN=1: add --cert FILE --key FILE with a client certificate.");
    }
  }
  return `${lines.join("\n")}\n\n`;
}
