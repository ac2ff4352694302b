/** Lines between two regions, made in every way that this machine knows, are slow, can be cut, and heal. */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { eventually } from "../support/deadline.ts";
import { FAR } from "../support/regions/line.ts";
import { openNetworkBy, WAYS, whyNot } from "../support/regions/network.ts";
import { Regions } from "../support/regions/regions.ts";

setDefaultTimeout(60_000);

/** What servers may take to find one another on a busy machine, ms. */
const MEET_MS = 30_000;
const ANSWER_MS = 2_000;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function connectTo(url: string | undefined): Promise<NatsConnection> {
  const connection = await connect({ servers: url ?? "" });
  closing.push(() => connection.close());
  return connection;
}

test.each(WAYS)("by %s", async (way) => {
  const reason = whyNot(way);
  if (reason !== undefined) {
    console.log(`no regions by ${way} here: ${reason}`);
    expect(way).not.toBe("loopback");
    return;
  }
  const regions = await Regions.start(await openNetworkBy(way));
  closing.push(() => regions.stop());
  const [home, away] = await Promise.all(regions.url.split(",").map(connectTo));
  home?.subscribe("echo", { callback: (_error, message) => void message.respond() });
  const echo = () =>
    away?.request("echo", "", { timeout: ANSWER_MS }).then(
      () => true,
      () => undefined,
    ) ?? Promise.resolve(undefined);
  await eventually("an echo", echo, MEET_MS);
  const askedAt = performance.now();
  expect(await echo()).toBe(true);
  // A packet that is lost takes longer.
  expect(performance.now() - askedAt).toBeGreaterThanOrEqual(2 * FAR.delayMs);
  await regions.line.cut();
  expect(await echo()).toBeUndefined();
  await regions.line.heal();
  await eventually("an echo", echo, MEET_MS);
});
