import type { Publisher } from "../peers/peer.ts";
import { payload } from "./payload.ts";
import type { SubscriberPool } from "./pool.ts";
import type { PublishCommand, Published } from "./protocol.ts";

/** Time in which a delivery too many would show. */
const AFTERMATH_MS = 200;

/**
 * Publishes tick by tick. A tick begins when its time has come AND the one before has been
 * delivered in full: otherwise a slow peer would send two ticks' messages in one write, and its
 * single messages would be measured as bursts.
 */
export async function publishTicks(
  command: PublishCommand,
  publisher: Publisher,
  pool: SubscriberPool,
): Promise<Published> {
  const before = pool.counters();
  const subscribers = before.open;
  const began = performance.now();
  let sent = 0;
  for (let tick = 0; tick < command.ticks; tick += 1) {
    const due = performance.now() + command.tickMs;
    const messages = Array.from({ length: command.perTick }, (_, index) =>
      payload(sent + index, command.payloadBytes),
    );
    sent += command.perTick;
    const [, delivered] = await Promise.all([
      publisher.publish(command.channel, messages),
      pool.reach(before.deliveries + sent * subscribers, command.timeoutMs),
    ]);
    if (!delivered) break;
    // A peer without batches gets them side by side, so that any of them may come last.
    if (!messages.some((message) => pool.latest.includes(message))) {
      throw new Error(`published ${messages.at(-1)}, but received ${pool.latest}`);
    }
    await Bun.sleep(Math.max(0, due - performance.now()));
  }
  const seconds = (performance.now() - began) / 1000;
  await Bun.sleep(AFTERMATH_MS);
  const after = pool.counters();
  return {
    sent,
    seconds,
    deliveries: after.deliveries - before.deliveries,
    bytes: after.bytes - before.bytes,
  };
}
