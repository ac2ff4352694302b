/** Histories that are read while their oldest are dropped for others, on a real server. */

import { afterAll, expect, test } from "bun:test";
import { kept } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { join } from "@starling/core/broker/conformance/worker.ts";
import type { Position } from "@starling/core/hub/position.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { connectTo, NatsServer } from "./testing/nats-server.ts";

const SIZE = 5;
const READS = 300;
/** Messages of a burst, and how many readers there are at a time. */
const [BURST, READERS] = [20, 8];

const server = await NatsServer.start();
afterAll(() => server.stop());

test("what is dropped between the look and the reading is neither waited for nor a refusal", async () => {
  const prefix = ownPrefix();
  const placeOf = () => ({ namespace: "", size: SIZE, ttlMs: 60_000 });
  const node = new MeshNode({ server, prefix, settings, placeOf });
  const { broker } = await join(node);
  await broker.publish(kept("hot", "0"));
  const other = await connectTo(server);
  let isReading = true;
  const publishing = (async () => {
    for (let n = 1; isReading; n++) {
      other.publish(`${prefix}.kept.default.=.hot`, `${n}`);
      if (n % BURST === 0) await other.flush();
    }
  })();
  try {
    let since: Position | undefined;
    for (let read = 0; read < READS; read += READERS) {
      const pages = Array.from({ length: READERS }, () =>
        broker.history("default", "hot", { limit: 100, since }),
      );
      for (const { entries, position } of await Promise.all(pages)) {
        since = { ...position, offset: position.offset - 1 };
        const offsets = entries.map(({ offset }) => offset);
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      }
    }
  } finally {
    isReading = false;
    await publishing;
    await other.close();
    await node.close();
  }
});
