import { expect, test } from "bun:test";
import { SubscriberPool } from "./pool.ts";
import type { Counters } from "./protocol.ts";
import { publishTicks } from "./publisher.ts";

/** One subscriber, without a connection. */
class OneSubscriber extends SubscriberPool {
  override counters(): Counters {
    return { ...super.counters(), open: 1 };
  }
}

/** A tick of three messages; `deliver` says what of them reaches the subscriber, and in what order. */
function tick(deliver: (messages: readonly string[]) => readonly string[]) {
  const pool = new OneSubscriber();
  const publish = async (_channel: string, messages: readonly string[]) => {
    // The answer of a real peer comes later, too.
    await undefined;
    for (const message of deliver(messages).map((text) => Buffer.from(text))) {
      pool.received(1, message, 0, message.length);
    }
  };
  const command = {
    ...({ kind: "publish", peer: "one", url: "", channel: "c", ticks: 1, tickMs: 0 } as const),
    ...{ perTick: 3, payloadBytes: 50, timeoutMs: 1_000 },
  };
  return publishTicks(command, { publish }, pool);
}

test("the messages of a tick, which may be posted side by side, may come in any order", async () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [0, 2, 1],
  ]) {
    const published = await tick((messages) => order.map((index) => messages[index] ?? ""));
    expect(published).toMatchObject({ sent: 3, deliveries: 3, bytes: 150 });
  }
});

test("what was never published fails the run", async () => {
  const foreign = tick((messages) => [...messages.slice(1), "something else"]);
  await expect(foreign).rejects.toThrow("but received something else");
});
