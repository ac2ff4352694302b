import { afterAll, afterEach, beforeAll, describe } from "bun:test";
import type { NodeSettings } from "@starling/core/broker/conformance/fixture.ts";
import { describeHistory } from "@starling/core/broker/conformance/history.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { describeBroker } from "@starling/core/broker/conformance/suite.ts";
import type { Place } from "@starling/core/broker/nats/kept-channels.ts";
import { MeshNode, ownPrefix } from "./testing/mesh-fixture.ts";
import { NatsServer } from "./testing/nats-server.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await NatsServer.start();
});
afterAll(() => server.stop());

const nodes: MeshNode[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

function setUp(of: NodeSettings, placeOf?: (app: string, channel: string) => Place | undefined) {
  const options = { server, prefix: ownPrefix(), settings: of };
  const node = new MeshNode(placeOf === undefined ? options : { ...options, placeOf });
  nodes.push(node);
  return Promise.resolve(node);
}

describeBroker("the mesh broker of one node", (of) => setUp(of), { hasLinks: false });

describe("the mesh broker of one node, with what JetStream keeps: history", () => {
  describeHistory(() => setUp(settings, () => ({ namespace: "", size: 100, ttlMs: 60_000 })));
});
