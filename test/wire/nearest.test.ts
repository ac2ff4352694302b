/** The function of the guide that picks the nearest node, run as it stands against nodes that answer as a test says. */

import { afterEach, expect, test } from "bun:test";
import { codeBelow, page } from "../support/readme.ts";

const snippet = codeBelow(page("docs/guide/nearest.md"), "## Choosing", "js");
const url = URL.createObjectURL(new Blob([snippet], { type: "text/javascript" }));
const { nearest } = (await import(url)) as { nearest(known: string): Promise<string> };

interface TestNode {
  readonly id: string;
  readonly region?: string;
  readonly load?: number;
  readonly draining?: boolean;
  /** How `/ready` answers; default 200. */
  readonly ready?: number;
  /** Where it says that it is: default where it is. */
  readonly addresses?: readonly string[];
}

const servers: Bun.Server<undefined>[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop(true))));

/** Nodes that all answer with the same list; gives their addresses. */
function mesh(...nodes: readonly TestNode[]): string[] {
  const addresses: string[] = [];
  const list = () =>
    nodes.map((node, at) => ({
      ...{ id: node.id, region: node.region ?? null, connections: 0, load: node.load ?? 0 },
      ...{ draining: node.draining ?? false, addresses: node.addresses ?? [addresses[at]] },
    }));
  for (const { ready = 200 } of nodes) {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      routes: {
        "/v1/nodes": () => Response.json({ ok: true, node: nodes[0]?.id, nodes: list() }),
        "/ready": () => new Response("", { status: ready }),
      },
    });
    servers.push(server);
    addresses.push(server.url.origin);
  }
  return addresses;
}

async function nearestFrom(address: string | undefined): Promise<string> {
  return nearest(address ?? "");
}

test("a node that drains, or takes no clients, is passed over", async () => {
  const [first, , third] = mesh({ id: "a", draining: true }, { id: "b", ready: 503 }, { id: "c" });
  expect(await nearestFrom(first)).toBe(third ?? "");
});

test("a node that is not there any more is passed over", async () => {
  const [gone] = mesh({ id: "gone" });
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
  const [first, second] = mesh({ id: "a", addresses: [gone ?? ""] }, { id: "b" });
  expect(await nearestFrom(first)).toBe(second ?? "");
});

test("of two nodes in a region the less busy one is taken", async () => {
  const region = "eu";
  const [first, second] = mesh({ id: "a", region, load: 0.9 }, { id: "b", region, load: 0.2 });
  for (let time = 0; time < 20; time++) expect(await nearestFrom(first)).toBe(second ?? "");
});

test("a client stays where it asked when nobody names an address, or nobody answers", async () => {
  const [first] = mesh({ id: "a", addresses: [] });
  expect(await nearestFrom(first)).toBe(first ?? "");
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
  expect(await nearestFrom(first)).toBe(first ?? "");
});
