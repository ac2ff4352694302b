import type { ChannelSummary } from "./api.ts";

/** Which channels of an app to list. */
export interface ChannelPageRequest {
  readonly prefix: string;
  readonly limit: number;
  /** The last name of the page before; undefined for the first page. */
  readonly cursor?: string | undefined;
}

export interface ChannelPage {
  channels: { channel: string; subscribers: number }[];
  /** The cursor of the next page; null when this is the last one. */
  next: string | null;
}

/**
 * The channels after the cursor, in the order of their names' UTF-16 code units.
 *
 * A page stays right while channels come and go, since the cursor is a name and not a place. At
 * most twice the page is held at a time, however many channels there are.
 */
export function channelPage(
  all: Iterable<ChannelSummary>,
  request: ChannelPageRequest,
): ChannelPage {
  const { prefix, limit, cursor } = request;
  const kept = limit + 1;
  let candidates: ChannelSummary[] = [];
  let bound: string | undefined;
  for (const summary of all) {
    const { channel } = summary;
    if (cursor !== undefined && channel <= cursor) continue;
    if (bound !== undefined && channel >= bound) continue;
    if (!channel.startsWith(prefix)) continue;
    candidates.push(summary);
    if (candidates.length < 2 * kept) continue;
    candidates = candidates.sort(byName).slice(0, kept);
    bound = candidates[kept - 1]?.channel;
  }
  const page = candidates.sort(byName).slice(0, limit);
  const next = candidates.length > limit ? (page[limit - 1]?.channel ?? null) : null;
  return { channels: page.map(({ channel, subscribers }) => ({ channel, subscribers })), next };
}

function byName(a: ChannelSummary, b: ChannelSummary): number {
  if (a.channel === b.channel) return 0;
  return a.channel < b.channel ? -1 : 1;
}
