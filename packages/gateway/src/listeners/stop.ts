import type { Clock } from "@starling/core/ports.ts";
import type { Server } from "bun";

/**
 * Stops a server: it takes nothing new and finishes what is under way; what is still open after
 * `graceMs`, such as a connection that never asked for anything, is cut.
 */
export async function stopWithin<Data>(
  server: Server<Data>,
  clock: Clock,
  graceMs: number,
): Promise<void> {
  const { promise: expired, resolve: expire } = Promise.withResolvers<"expired">();
  const timer = clock.setTimeout(() => expire("expired"), graceMs);
  const outcome = await Promise.race([server.stop().then(() => "stopped" as const), expired]);
  clock.clearTimeout(timer);
  if (outcome === "expired") await server.stop(true);
}
