/** Who is let in, and what each may do, over every protocol. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { connectError, refusedHandshake, SECRET, websocket } from "../support/credentials.ts";
import { EventStream, eventsUrl } from "../support/event-stream.ts";
import { GatewayFixture, refusal } from "../support/gateway-fixture.ts";
import { httpsCall } from "../support/https.ts";
import { signWithSecret } from "../support/jwt.ts";
import { ServerCertificate } from "../support/server-certificate.ts";
import { eventPayload, SignallingClient } from "../support/signalling-client.ts";
import { unlimited } from "../support/signalling-room.ts";
import { ask } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

describe("in production", () => {
  const certificate = new ServerCertificate();
  afterAll(() => certificate[Symbol.dispose]());
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    ...certificate.environment,
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    ALLOWED_IPS: "127.0.0.1",
    API_KEYS: "a key of the tests",
    JWT_SECRET: SECRET,
    PUBLIC_KEYS: "page-key,shop-key:shop",
  }));

  test("a public key that is not listed is refused, and one that is opens signalling", async () => {
    for (const publickey of ["other", "page-key ", "PAGE-KEY", "shop-key:shop", "shop"]) {
      const answer = await refusedHandshake(gateway, { id: "ada", publickey });
      expect([answer.status, answer.text]).toEqual([403, "illegal public key"]);
      const query = new URLSearchParams({ channel: "x", publickey });
      const stream = await gateway.call(`/events?${query}`);
      expect(refusal(stream)).toEqual([403, 308, "illegal public key".replaceAll(" ", "_")]);
    }
    for (const publickey of ["page-key", "shop-key"]) {
      using ada = await SignallingClient.open(gateway.process, { query: { id: "a", publickey } });
      await ada.join("room");
    }
  });

  test("nobody comes in without proof, and a key alone reads no stream", async () => {
    expect(await connectError(gateway, {})).toEqual(["invalid token", 301]);
    expect(refusal(await gateway.call("/events?channel=x"))).toEqual([401, 301, "invalid_token"]);
    const keyed = await gateway.call("/events?channel=x&publickey=page-key");
    expect(refusal(keyed)).toEqual([403, 203, "permission_denied"]);
    expect((await refusedHandshake(gateway, { id: "ada" })).text).toBe(
      "publickey must not be empty",
    );
  });

  test("a key and a token of different apps do not go together", async () => {
    const token = signWithSecret(SECRET, { sub: "ada" });
    const answer = await refusedHandshake(gateway, { id: "ada", publickey: "shop-key", token });
    expect([answer.status, answer.text]).toEqual([
      ...([403, "the credentials belong to another app"] as const),
    ]);
    const shop = signWithSecret(SECRET, { sub: "ada", app: "shop" });
    const query = { id: "ada", publickey: "shop-key", token: shop };
    using ada = await SignallingClient.open(gateway.process, { query });
    await ada.join("room");
    const nowhere = signWithSecret(SECRET, { app: "nowhere" });
    const unknown = await refusedHandshake(gateway, { id: "ada", token: nowhere });
    expect(unknown.status).toBe(404);
  });

  test("presence, tokens, figures and metrics are for those with an API key", async () => {
    const { publisherUrl, ca } = gateway.process;
    const calls: [string, string | undefined][] = [
      ["/api/presence?channel=x", undefined],
      ["/api/presence/stats?channel=x", undefined],
      ["/api/token", '{"user":"ada"}'],
      ["/api/stats", undefined],
      ["/metrics", undefined],
    ];
    for (const [path, body] of calls) {
      const content = body === undefined ? {} : { body };
      const without = await httpsCall(publisherUrl + path, ca, content);
      expect([path, without.status]).toEqual([path, 401]);
      const headers = { authorization: "Bearer a key of the tests" };
      const allowed = await httpsCall(publisherUrl + path, ca, { ...content, headers });
      expect([path, allowed.status]).toEqual([path, 200]);
    }
  });
});

describe("what a namespace allows", () => {
  const audiences = ["nobody", "token", "authenticated", "anyone"] as const;
  const options = (name: string, others: object) =>
    audiences.map((audience) => [`${name}-${audience}`, { ...others, [name]: audience }]);
  const file = new ConfigFile({
    keys: ["page-key"],
    namespaces: Object.fromEntries([
      ...options("subscribe", { presence: "anyone" }),
      ...options("publish", { subscribe: "anyone", presence: "anyone" }),
      ...options("presence", { subscribe: "anyone" }),
    ]),
  });
  afterAll(() => file[Symbol.dispose]());
  const gateway = new GatewayFixture(() => ({
    ...unlimited,
    CONFIG_FILE: file.path,
    JWT_SECRET: SECRET,
    WEBSOCKET_AUTH: "0",
  }));

  const everywhere = ["*"];
  const granted = { subscribe: everywhere, publish: everywhere, presence: everywhere };
  const elsewhere = { subscribe: ["other:*"], publish: ["*:other"], presence: ["x"] };
  /** What each may do, in the order of the audiences. */
  const visitors: [string, string | undefined, boolean[]][] = [
    ["a stranger", undefined, [false, false, false, true]],
    ["a user", signWithSecret(SECRET, { sub: "ada" }), [false, false, true, true]],
    [
      "a user with permissions elsewhere",
      signWithSecret(SECRET, { sub: "ada", starling: elsewhere }),
      [false, false, true, true],
    ],
    [
      "a user with the permission",
      signWithSecret(SECRET, { sub: "ada", starling: granted }),
      [false, true, true, true],
    ],
  ];

  describe.each(visitors)("to %s", (_name, token, allowed) => {
    const expectations = audiences.map((audience, index) => [audience, allowed[index]] as const);

    test("over Socket.IO", async () => {
      const auth = token === undefined ? {} : { token };
      const socket = await gateway.clients.connected({ ...websocket, auth });
      for (const [audience, isAllowed] of expectations) {
        for (const action of ["subscribe", "publish"]) {
          const request = { channel: `${action}-${audience}:x`, data: 1 };
          const answer = Object(await ask(socket, action, request));
          expect([request.channel, answer.ok ?? answer.error.code]).toEqual([
            ...[request.channel, isAllowed === true ? true : 203],
          ]);
        }
      }
    });

    test("over signalling", async () => {
      const query = {
        id: "ada",
        v: "2",
        ...(token === undefined ? { publickey: "page-key" } : { token }),
      };
      using client = await SignallingClient.open(gateway.process, { query });
      const control = { t: "control" } as const;
      for (const [audience, isAllowed] of expectations) {
        const result = isAllowed === true ? "ack" : 203;
        const answered = async (id: number) => {
          for (;;) {
            const answer = await client.next();
            if (answer.id === id) return answer.op === "ack" ? "ack" : answer.code;
          }
        };
        client.send({ ...control, op: "subscribe", c: `subscribe-${audience}:x`, id: 1 });
        expect([audience, "subscribe", await answered(1)]).toEqual([audience, "subscribe", result]);
        client.send({ ...control, op: "subscribe", c: `publish-${audience}:x`, id: 2 });
        expect(await answered(2)).toBe("ack");
        client.send({ t: "data", c: `publish-${audience}:x`, id: 3, pl: eventPayload("e", "1") });
        expect([audience, "publish", await answered(3)]).toEqual([audience, "publish", result]);
        client.send({ ...control, op: "channel_join", c: `presence-${audience}:x`, id: 4 });
        expect([audience, "presence", await answered(4)]).toEqual([audience, "presence", result]);
        client.send({ ...control, op: "channel_join", c: `subscribe-${audience}:y`, id: 5 });
        expect([audience, "join", await answered(5)]).toEqual([audience, "join", result]);
      }
    });

    test("over event streams", async () => {
      for (const [audience, isAllowed] of expectations) {
        const channel = `subscribe-${audience}:x`;
        const { subscriberUrl, ca } = gateway.process;
        const query: Record<string, string> = token === undefined ? {} : { token };
        const status = await EventStream.open(eventsUrl(subscriberUrl, [channel], query), ca).then(
          (stream) => {
            stream[Symbol.dispose]();
            return "opened";
          },
          (error: Error) => error.message,
        );
        expect([audience, status]).toEqual([
          audience,
          isAllowed === true ? "opened" : "the event stream was refused with 403",
        ]);
      }
    });
  });

  test("the publisher API may publish where no client may", async () => {
    const answer = await gateway.post("/api/publish", { channel: "publish-nobody:x", data: 1 });
    expect(JSON.parse(answer).ok).toBe(true);
  });

  test("a channel without a namespace is signalling's for whoever has a key", async () => {
    const query = { id: "ada", publickey: "page-key" };
    using ada = await SignallingClient.open(gateway.process, { query });
    await ada.join("anything");
    await ada.join("undeclared:anything");
  });
});
