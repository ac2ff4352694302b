import type { GatewayFixture } from "./gateway-fixture.ts";
import { httpsCall } from "./https.ts";
import { SignallingClient, type SignallingOptions } from "./signalling-client.ts";

/** No limit to how often somebody may connect. */
export const unlimited = { CONNECT_RATE_PER_ADDRESS: "0", CONNECT_RATE_PER_USER: "0" };

/** Headers of a WebSocket handshake that is going to be refused. */
export const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** The name of a channel that nobody uses. */
export function channelName(): string {
  return `room-${crypto.randomUUID()}`;
}

/** A client of that id. */
export function open(
  gateway: GatewayFixture,
  id: string,
  options: SignallingOptions = {},
): Promise<SignallingClient> {
  return SignallingClient.open(gateway.process, { id, ...options });
}

/** A member of the channel, which has read what it was told of that. */
export async function member(
  gateway: GatewayFixture,
  id: string,
  channel: string,
  v: 1 | 2 = 1,
  state?: object,
): Promise<SignallingClient> {
  const client = await open(gateway, id, { v: String(v) });
  await client.join(channel, state, v);
  return client;
}

/** Who is in a channel, and how many, as backends are told. */
export async function presence(gateway: GatewayFixture, channel: string) {
  const { publisherUrl, ca } = gateway.process;
  const query = new URLSearchParams({ channel });
  const answer = await httpsCall(`${publisherUrl}/api/presence?${query}`, ca);
  const stats = await httpsCall(`${publisherUrl}/api/presence/stats?${query}`, ca);
  return { members: JSON.parse(answer.text).members, stats: JSON.parse(stats.text) };
}
