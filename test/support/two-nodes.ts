import { eventually } from "./deadline.ts";
import type { DeployedNats } from "./deployed-nats.ts";
import { type GatewayProcess, startGatewayProcess } from "./gateway-process.ts";
import { httpsCall } from "./https.ts";
import { eventPayload, SignallingClient } from "./signalling-client.ts";

/** How long servers and nodes may take to agree on a busy machine, ms. */
const PATIENCE_MS = 60_000;

/** Two nodes. */
export class TwoNodes implements AsyncDisposable {
  readonly nodes: readonly [here: GatewayProcess, there: GatewayProcess];

  constructor(nodes: readonly [GatewayProcess, GatewayProcess]) {
    this.nodes = nodes;
  }

  /** Each node is told of servers of its own. */
  static async start(
    nats: DeployedNats,
    here: readonly string[],
    there: readonly string[],
    more: Readonly<Record<string, string>>,
  ): Promise<TwoNodes> {
    const shared = { DRAIN_SECONDS: "1", ...more };
    const [first, second] = await Promise.all([
      startGatewayProcess({ ...shared, ...nats.nodeSettings(...here), MESH_ID: "here" }),
      startGatewayProcess({ ...shared, ...nats.nodeSettings(...there), MESH_ID: "there" }),
    ]);
    await Promise.all([meets(first), meets(second)]);
    return new TwoNodes([first, second]);
  }

  /** What servers have refused, permissions that are wanting for example. */
  get refusals(): readonly string[] {
    const lines = this.nodes.flatMap(({ logLines }) => logLines);
    return lines.map(({ msg }) => msg).filter((text) => /^NATS (refuses|reports)/.test(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

async function soon(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  await eventually(what, async () => ((await isTrue()) ? true : undefined), PATIENCE_MS);
}

/** Waits until a node is ready, and its processes have heard of another one. */
async function meets(node: GatewayProcess): Promise<void> {
  await soon("a node that knows another one", async () => {
    const { text } = await httpsCall(`${node.publisherUrl}/metrics`, node.ca);
    const { status } = await httpsCall(`${node.subscriberUrl}/ready`, node.ca);
    const others = ["starling_mesh_presence_nodes 1", "starling_nats_heard 1"];
    return status === 200 && others.every((line) => text.includes(`\n${line}\n`));
  });
}

export async function publish(
  node: GatewayProcess,
  channel: string,
  data: unknown,
): Promise<number> {
  const body = JSON.stringify({ channel, event: "e", data });
  const call = { body, ms: PATIENCE_MS };
  return (await httpsCall(`${node.publisherUrl}/api/publish`, node.ca, call)).status;
}

/** The same until the servers keep what is published. */
export async function keeps(node: GatewayProcess, channel: string, data: unknown): Promise<void> {
  await soon(
    "a publication that is kept",
    async () => (await publish(node, channel, data)) === 200,
  );
}

export async function get(node: GatewayProcess, path: string, channel: string) {
  const url = `${node.publisherUrl}/api/${path}?channel=${encodeURIComponent(channel)}`;
  return JSON.parse((await httpsCall(url, node.ca, { ms: PATIENCE_MS })).text);
}

/** Data and positions of what a node says that the channel keeps. */
export async function historyAt(node: GatewayProcess, channel: string): Promise<unknown> {
  const { publications } = await get(node, "history", channel);
  return (publications as { data: unknown; position: string }[]).map(({ data, position }) => ({
    data,
    position,
  }));
}

async function membersAt(node: GatewayProcess, channel: string): Promise<readonly string[]> {
  const { members } = await get(node, "presence", channel);
  return (members as { clientId: string }[]).map(({ clientId }) => clientId).sort();
}

/** What a node answers that is to ban a user. */
export async function ban(node: GatewayProcess, user: string): Promise<number> {
  const call = { body: JSON.stringify({ user, ban: 60 }), ms: PATIENCE_MS };
  return (await httpsCall(`${node.publisherUrl}/api/disconnect`, node.ca, call)).status;
}

/** Bans a user until the servers keep that, and the other node knows it. */
export async function bans(node: GatewayProcess, other: GatewayProcess, user: string) {
  await soon("a ban that is kept", async () => (await ban(node, user)) === 200);
  await soon("the ban on the other node", async () =>
    (await httpsCall(`${other.publisherUrl}/api/bans`, other.ca)).text.includes(user),
  );
}

export async function joined(node: GatewayProcess, channel: string, id: string) {
  const client = await SignallingClient.open(node, { id });
  await client.join(channel);
  client.send({ t: "control", op: "peer_online", c: channel, p: id });
  return client;
}

/** Reads on until that was said. */
export async function hears(client: SignallingClient, data: unknown): Promise<void> {
  const expected = eventPayload("e", JSON.stringify(data));
  for (;;) {
    const { t, pl } = await client.next(PATIENCE_MS);
    if (t === "data" && pl !== undefined && expected.equals(Buffer.from(pl))) return;
  }
}

export async function agree(
  mesh: TwoNodes,
  channel: string,
  ...ids: readonly string[]
): Promise<void> {
  for (const node of mesh.nodes) await sees(node, channel, ...ids);
}

export async function sees(node: GatewayProcess, channel: string, ...ids: readonly string[]) {
  await soon(`${ids.join()} as the members`, async () =>
    Bun.deepEquals(await membersAt(node, channel), ids),
  );
}

/** Publishes on a node until a client of the other one hears it: it does not say when it has begun to. */
export async function reaches(node: GatewayProcess, channel: string, client: SignallingClient) {
  const heard = hears(client, "to you").then(() => true);
  await soon("a publication on the other node", async () => {
    await publish(node, channel, "to you");
    return Promise.race([heard, Bun.sleep(50).then(() => false)]);
  });
}
