import type { Position } from "../../hub/position.ts";
import type { Delivery } from "../broker.ts";
import type { HistoryRequest, Stream } from "../stream.ts";
import type { BrokerFixture } from "./fixture.ts";
import { answered, delivery, type Joined } from "./worker.ts";

export function stream(channel: string, more: Partial<Stream> = {}): Stream {
  return { channel, size: 100, ttlMs: 60_000, ...more };
}

/** Publishes in one channel with history. */
export function kept(channel: string, data: string, more: Partial<Delivery> = {}): Delivery {
  return delivery(channel, data, { channels: [], streams: [stream(channel)], ...more });
}

/** Publishes, one after the other; answers where each stands. */
export async function keep(
  fixture: BrokerFixture,
  { broker }: Joined,
  channel: string,
  all: readonly string[],
  of: Partial<Stream> = {},
): Promise<Position[]> {
  const positions: Position[] = [];
  for (const data of all) {
    const one = kept(channel, data, { streams: [stream(channel, of)] });
    positions.push(...(await answered(fixture, () => broker.publish(one))).positions);
  }
  return positions;
}

export function read(
  fixture: BrokerFixture,
  { broker }: Joined,
  channel: string,
  request: HistoryRequest = { limit: 1_000 },
) {
  return answered(fixture, () => broker.history("default", channel, request));
}

/** What a worker received: places and data. */
export const seen = ({ received }: Joined) =>
  received.map(({ channel, position, data }) => [channel, position?.offset, data] as const);
