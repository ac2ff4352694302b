import type { Config } from "../config/config.ts";

/**
 * Whether the configured ports can be had for this node alone; workers share theirs with whoever asks,
 * and so would two nodes, in silence.
 *
 * @throws what the system says of the first that cannot
 */
export async function requireFreePorts(
  config: Pick<Config, "host" | "singlePort" | "publisherPort" | "subscriberPort">,
): Promise<void> {
  const { host, singlePort, publisherPort, subscriberPort } = config;
  const ports = singlePort === undefined ? [publisherPort, subscriberPort] : [singlePort];
  for (const port of ports) {
    if (port === 0) continue;
    const probe = Bun.serve({ hostname: host, port, fetch: () => new Response() });
    await probe.stop(true);
  }
}
