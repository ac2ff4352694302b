import type { Log } from "@starling/core/ports.ts";
import { developmentCertificateFile } from "../certificates/state-files.ts";
import type { Listening } from "../node/worker-process.ts";
import { systemClock } from "../runtime/system.ts";
import { type BannerFacts, banner } from "./banner.ts";
import type { Preparation } from "./preparation.ts";
import { version } from "./version.ts";

/** What the greeting tells of WebTransport, which starts when everything else serves. */
export interface WebTransportStart {
  /** Settles when it serves, or will not. */
  readonly done: Promise<void>;
  isServing(): boolean;
}

/** How long the greeting waits for WebTransport. */
const WEBTRANSPORT_MS = 5_000;

/** Logs where the gateway listens. */
export function logListening(log: Log, { publisherUrl, subscriberUrl }: Listening): void {
  log.info({ url: publisherUrl }, "publisher API listening");
  log.info({ url: subscriberUrl }, "subscriber listener listening");
}

/** Logs that the gateway runs, and greets whoever started it, unless it is stopped meanwhile. */
export async function announce(
  { context, config, log, stopped }: Preparation,
  { publisherUrl, subscriberUrl }: Listening,
  start: WebTransportStart | undefined,
): Promise<void> {
  log.info({ version, pid: process.pid, publisherUrl, subscriberUrl }, "started");
  if (config.production && !process.stdout.isTTY) return;
  const timeout = Promise.withResolvers<void>();
  const timer = systemClock.setTimeout(timeout.resolve, WEBTRANSPORT_MS);
  await Promise.race([start?.done, timeout.promise, stopped]);
  systemClock.clearTimeout(timer);
  // The banner is for a person, who should find it below the lines of the log; a reader that has
  // stalled must not keep the gateway from stopping.
  await Promise.race([log.written(), stopped]);
  const certFile = developmentCertificateFile(config.stateDir);
  const webTransport = config.webTransport ? stateOf(start) : undefined;
  context.out(banner(config, { version, publisherUrl, subscriberUrl, webTransport, certFile }));
}

function stateOf(start: WebTransportStart | undefined): BannerFacts["webTransport"] {
  return start?.isServing() === true ? "served" : "not served";
}
