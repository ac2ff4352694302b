import { Agent } from "node:https";
import { httpsCall } from "../https.ts";
import type { NodeUnderTest } from "./node-under-test.ts";
import type { Recorder } from "./recorder.ts";
import { checkViews } from "./view-checker.ts";

const AGAIN_MS = 100;
/** For all that is asked of a node at a time. */
const CONNECTIONS = 4;
/** More than an answer takes of a node that is asked for a hundred channels at a time. */
const ANSWER_MS = 20_000;
/** What is shown of the differences of a run that has many. */
const MAX_SHOWN = 15;

/** By channel, the client ids of the members that a node lists for back ends, in the order of the alphabet. */
export async function listedAt(
  node: NodeUnderTest,
  channels: readonly string[],
): Promise<Record<string, string[]>> {
  const { publisherUrl, ca } = node.process;
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const lists = channels.map(async (channel): Promise<[string, string[]]> => {
    const query = new URLSearchParams({ channel });
    const url = `${publisherUrl}/api/presence?${query}`;
    const { text } = await httpsCall(url, ca, { ms: ANSWER_MS, agent });
    const { members } = JSON.parse(text);
    return [channel, [...members].map((member) => String(Object(member).clientId)).toSorted()];
  });
  return await Promise.all(lists)
    .then((all) => Object.fromEntries(all))
    .finally(() => agent.destroy());
}

/**
 * What is still different, after so long at most, between what is true of the members of some channels and what each
 * of them shows, and what each node lists.
 */
export async function wrongViews(
  recorder: Recorder,
  nodes: readonly NodeUnderTest[],
  channels: readonly string[],
  ms: number,
): Promise<string[]> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await differences(recorder, nodes, channels);
    if (found.length === 0 || performance.now() > end) return found.slice(0, MAX_SHOWN);
    await Bun.sleep(AGAIN_MS);
  }
}

async function differences(
  recorder: Recorder,
  nodes: readonly NodeUnderTest[],
  channels: readonly string[],
): Promise<string[]> {
  const history = recorder.history();
  const shown = checkViews(history).map(({ kind, text }) => `${kind}: ${text}`);
  // Nodes are asked only once clients agree, since all of them are the same machine.
  if (shown.length > 0) return shown;
  const present = history.memberships.filter(
    ({ from, until }) => from !== undefined && until === undefined,
  );
  const byChannel = Map.groupBy(present, ({ channel }) => channel);
  const listed = nodes.map(async (node, index) => {
    const lists = await listedAt(node, channels);
    return channels.flatMap((channel) => {
      const wanted = (byChannel.get(channel) ?? []).map(({ member }) => member).toSorted();
      const found = lists[channel] ?? [];
      if (Bun.deepEquals(found, wanted)) return [];
      return [`node ${index} lists ${found} in ${channel}, and not ${wanted}`];
    });
  });
  return (await Promise.all(listed)).flat();
}
