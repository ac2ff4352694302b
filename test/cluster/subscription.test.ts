/** An acknowledged subscription holds for whatever any worker publishes from then on. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { FaultFixture } from "../support/faults/fault-fixture.ts";
import { UnixProxy } from "../support/faults/unix-proxy.ts";
import { httpsCall } from "../support/https.ts";
import { ask, StockClients } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

const CLIENTS = 10;
const CHANNELS_OF_A_CLIENT = 10;
const DELAY_MS = 30;

const fixture = new FaultFixture();

test("what is published once a subscription is acknowledged reaches it", async () => {
  const { node } = await fixture.prepare(0, 2, { DRAIN_SECONDS: "1" });
  // The first stream is that of the command, and one of the next two workers has the slower link.
  using _proxy = await UnixProxy.inFrontOf(node.brokerSocket, (stream) =>
    stream === 1 ? DELAY_MS : 0,
  );
  expect(await node.starling("restart")).toMatchObject({ code: 0 });
  const { publisherUrl, subscriberUrl, ca } = node.process;
  const clients = new StockClients(() => ({ url: subscriberUrl, ca }));
  const unreached: string[] = [];
  const publish = async (channel: string) => {
    const body = JSON.stringify({ channel, event: "e", data: 1 });
    const { text } = await httpsCall(`${publisherUrl}/api/publish`, ca, { body });
    if (JSON.parse(text).subscribers !== 1) unreached.push(`${channel}: ${text}`);
  };
  try {
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        const socket = await clients.connected({ transports: ["websocket"] });
        for (let index = 0; index < CHANNELS_OF_A_CLIENT; index++) {
          const channel = `demo:${client}-${index}`;
          expect(await ask(socket, "subscribe", { channel })).toEqual({ ok: true, channel });
          // On a connection of its own, which lands on either worker.
          await publish(channel);
        }
      }),
    );
  } finally {
    clients.disconnectAll();
  }
  expect(unreached).toEqual([]);
});
