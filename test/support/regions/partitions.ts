import { eventually } from "../deadline.ts";
import type { MeshRun } from "../faults/mesh-fixture.ts";
import type { NodeUnderTest } from "../faults/node-under-test.ts";
import type { Partition } from "../faults/region-presence.ts";
import { httpsCall } from "../https.ts";
import { REGION_OF, type Regions } from "./regions.ts";

/** What a busy machine may take until nodes have lost or found one another, ms. */
const PATIENCE_MS = 40_000;

/** Nothing passes between the regions for so long, which is shorter than a lease. */
export async function cutFor(
  { load, nats, nodes }: MeshRun<Regions>,
  ms: number,
): Promise<Partition> {
  const cutAt = load.recorder.now();
  await nats.line.cut();
  await Bun.sleep(ms);
  const healedAt = load.recorder.now();
  await nats.line.heal();
  await allMet(nodes);
  return { cutAt, healedAt, metAt: load.recorder.now(), isLong: false };
}

/** Nothing passes until each node has given up those of the other region, and for so long after that. */
export async function cutUntilLost(
  { load, nats, nodes }: MeshRun<Regions>,
  ms: number,
): Promise<Partition> {
  const cutAt = load.recorder.now();
  await nats.line.cut();
  await Promise.all(nodes.map((node, index) => knows(node, inRegionOf(index) - 1)));
  await Bun.sleep(ms);
  const healedAt = load.recorder.now();
  await nats.line.heal();
  await allMet(nodes);
  return { cutAt, healedAt, metAt: load.recorder.now(), isLong: true };
}

/** Resolves once every node knows every other. */
export async function allMet(nodes: readonly NodeUnderTest[]): Promise<void> {
  await Promise.all(nodes.map((node) => knows(node, nodes.length - 1)));
}

/** What all nodes together have counted, by the name of a metric. */
export async function total(nodes: readonly NodeUnderTest[], metric: string): Promise<number> {
  const texts = await Promise.all(nodes.map(metricsOf));
  return texts.reduce((sum, text) => sum + valueIn(text, metric), 0);
}

/** By node and channel, whom the publisher API lists there, in the order of the alphabet. */
export async function listedAt(
  nodes: readonly NodeUnderTest[],
  channels: readonly string[],
): Promise<Record<string, readonly string[]>[]> {
  const at = async ({ process: { publisherUrl, ca } }: NodeUnderTest, channel: string) => {
    const query = new URLSearchParams({ channel });
    const { text } = await httpsCall(`${publisherUrl}/api/presence?${query}`, ca);
    const { members } = JSON.parse(text);
    const names = [...members].map((member) => String(Object(member).clientId)).toSorted();
    return [channel, names] as const;
  };
  return Promise.all(
    nodes.map(async (node) =>
      Object.fromEntries(await Promise.all(channels.map((channel) => at(node, channel)))),
    ),
  );
}

async function knows(node: NodeUnderTest, others: number): Promise<void> {
  await eventually(
    `a node that knows ${others} others`,
    async () => {
      const known = valueIn(await metricsOf(node), "starling_mesh_presence_nodes");
      if (known === others) return true;
      await Bun.sleep(50);
      return undefined;
    },
    PATIENCE_MS,
  );
}

function inRegionOf(node: number): number {
  return REGION_OF.filter((region) => region === REGION_OF[node]).length;
}

async function metricsOf({ process: { publisherUrl, ca } }: NodeUnderTest): Promise<string> {
  return (await httpsCall(`${publisherUrl}/metrics`, ca, { ms: PATIENCE_MS })).text;
}

function valueIn(metrics: string, name: string): number {
  const [, value] = new RegExp(`^${name} (\\d+)$`, "m").exec(metrics) ?? [];
  return Number(value ?? Number.NaN);
}
