import type { History, Moment } from "./history.ts";
import { keyOf, nameOf, type Violation } from "./violation.ts";

/**
 * What a node did not hand to its own subscribers of what was published at it between two moments, whether
 * its publisher was told ok or refused: without history nobody of the node has to wait for others.
 */
export function localLosses(
  { publications, stays }: Pick<History, "publications" | "stays">,
  since: Moment,
  until: Moment,
): Violation[] {
  const local = publications.filter(
    ({ node, sentAt, endedAt = Number.POSITIVE_INFINITY }) =>
      node !== undefined && sentAt > since && endedAt < until,
  );
  const byChannel = Map.groupBy(local, ({ channel }) => channel);
  return stays.flatMap(({ client, channel, node, receipts, ...stay }) => {
    const { from = Number.POSITIVE_INFINITY, until: end = Number.POSITIVE_INFINITY } = stay;
    const got = new Set(receipts.map(keyOf));
    return (byChannel.get(channel) ?? [])
      .filter((each) => each.node === node && each.publisher !== client)
      .filter((each) => from < each.sentAt && until < end && !got.has(keyOf(each)))
      .map((each): Violation => {
        return { kind: "loss", text: `${client} in ${channel} did not get ${nameOf(each)}` };
      });
  });
}
