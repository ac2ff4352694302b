import type { Log } from "@starling/core/ports.ts";
import { developmentCertificateFile } from "../certificates/state-files.ts";
import type { Config } from "../config/config.ts";
import type { Listening } from "../node/worker-process.ts";
import type { ClosableLog } from "../ops/log.ts";
import { banner } from "./banner.ts";
import type { CommandContext } from "./context.ts";
import { version } from "./version.ts";

/** Logs where the gateway listens. */
export function logListening(log: Log, { publisherUrl, subscriberUrl }: Listening): void {
  log.info({ url: publisherUrl }, "publisher API listening");
  log.info({ url: subscriberUrl }, "subscriber listener listening");
}

/** Logs that the gateway runs, and greets whoever started it, unless it is stopped meanwhile. */
export async function announce(
  context: CommandContext,
  config: Config,
  log: ClosableLog,
  { publisherUrl, subscriberUrl }: Listening,
  stopped: Promise<unknown>,
): Promise<void> {
  log.info({ version, pid: process.pid, publisherUrl, subscriberUrl }, "started");
  if (config.production && !process.stdout.isTTY) return;
  // The banner is for a person, who should find it below the lines of the log; a reader that has
  // stalled must not keep the gateway from stopping.
  await Promise.race([log.written(), stopped]);
  const certFile = developmentCertificateFile(config.stateDir);
  context.out(banner(config, { version, publisherUrl, subscriberUrl, certFile }));
}
