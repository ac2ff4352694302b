import { expect } from "bun:test";
import { EventStream, eventsUrl } from "./event-stream.ts";
import { type GatewayFixture, refusal } from "./gateway-fixture.ts";
import type { HttpsAnswer } from "./https.ts";
import { eventPayload, SignallingClient } from "./signalling-client.ts";
import { upgrade } from "./signalling-room.ts";
import { once } from "./stock-client.ts";

/** A secret of tokens that is long enough. */
export const SECRET = "a secret of the tests with more than 32 bytes";
export const websocket = { transports: ["websocket"] };

/** The answer to a signalling handshake that is refused. */
export function refusedHandshake(
  gateway: GatewayFixture,
  query: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<HttpsAnswer> {
  const path = `/v1?${new URLSearchParams(query)}`;
  return gateway.call(path, { headers: { ...upgrade, ...headers } });
}

/** Code and message of the `connect_error` of a stock client. */
export async function connectError(
  gateway: GatewayFixture,
  query: Record<string, string>,
  auth: object = {},
): Promise<unknown[]> {
  const error = await gateway.clients.refused({ ...websocket, query, auth });
  const code = "data" in error ? Object(error.data).code : undefined;
  return [error.message, code];
}

/** Whom the gateway takes the bearer of a token for, by each way to bring it. */
export async function expectKnown(
  gateway: GatewayFixture,
  token: string,
  user: string,
): Promise<void> {
  const { subscriberUrl, ca } = gateway.process;
  const streams = [
    await EventStream.open(eventsUrl(subscriberUrl, [user], { token }), ca),
    await EventStream.open(eventsUrl(subscriberUrl, [user]), ca, {
      authorization: `bearer ${token}`,
    }),
  ];
  for (const stream of streams) expect(await stream.next()).toBe("retry: 3000");
  const sockets = [
    await gateway.clients.connected({ ...websocket, auth: { token } }),
    await gateway.clients.connected({ transports: ["polling"], auth: { token } }),
    await gateway.clients.connected({ ...websocket, query: { token } }),
    await gateway.clients.connected({
      ...websocket,
      query: { uniqueUserId: user },
      auth: { token },
    }),
  ];
  const links = [
    await SignallingClient.open(gateway.process, { query: { id: "x", v: "2", token } }),
    await SignallingClient.open(gateway.process, {
      query: { id: "x", v: "2" },
      headers: { authorization: `Bearer ${token}` },
    }),
  ];
  for (const link of links) {
    link.send({ t: "control", op: "subscribe", c: user, id: 1 });
    expect(await link.next()).toMatchObject({ op: "ack", id: 1 });
  }
  const heard = sockets.map((socket) => once(socket, "e"));
  await gateway.post("/api/publish", { channel: user, event: "e", data: 1 });
  for (const each of heard) expect(await each).toEqual([1]);
  for (const stream of streams) expect(await stream.next()).toBe("event: e\ndata: 1");
  for (const link of links) expect((await link.next()).pl).toEqual(eventPayload("e", "1"));
  for (const each of [...streams, ...links]) each[Symbol.dispose]();
}

/** A token that every protocol refuses, with the number of the refusal. */
export async function expectUnknown(
  gateway: GatewayFixture,
  token: string,
  status: number,
  code: number,
): Promise<void> {
  const query = new URLSearchParams({ channel: "x", token });
  const stream = await gateway.call(`/events?${query}`);
  expect(refusal(stream).slice(0, 2)).toEqual([status, code]);
  const { message } = JSON.parse(stream.text).error;
  const handshake = await refusedHandshake(gateway, { id: "x", token });
  expect([handshake.status, handshake.text]).toEqual([status, message]);
  expect(await connectError(gateway, {}, { token })).toEqual([message, code]);
}
