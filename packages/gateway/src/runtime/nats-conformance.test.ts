import { afterAll, afterEach, describe } from "bun:test";
import type { NodeSettings } from "@starling/core/broker/conformance/fixture.ts";
import { describeHistory } from "@starling/core/broker/conformance/history.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { describeBroker } from "@starling/core/broker/conformance/suite.ts";
import { MeshNode, type MeshNodeOptions, ownPrefix } from "./testing/mesh-fixture.ts";
import { NatsServer } from "./testing/nats-server.ts";

const server = await NatsServer.start();
afterAll(() => server.stop());

const nodes: MeshNode[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

function setUp(settings: NodeSettings, more: Partial<MeshNodeOptions> = {}) {
  const node = new MeshNode({ server, prefix: ownPrefix(), settings, ...more });
  nodes.push(node);
  return Promise.resolve(node);
}

describeBroker("the mesh broker of one node", (of) => setUp(of), {
  hasLinks: false,
  keepsInNode: false,
});

describe("the mesh broker of one node, with what JetStream keeps: history", () => {
  const placeOf = () => ({ namespace: "", size: 100, ttlMs: 60_000 });
  // A server republishes after it has let go of the stream, so another message may be faster.
  const more = { placeOf, isReal: true, storage: "memory" } as const;
  describeHistory(() => setUp(settings, more), { hasOneOrder: false });
});
