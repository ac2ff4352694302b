import { describe, expect, test } from "bun:test";
import type { Member } from "@starling/core/hub/member.ts";
import { decodeJwt } from "jose";
import { presenceSchema, presenceStatsSchema, tokenSchema } from "./schemas.ts";
import { publisherFixture, refusalBody } from "./testing/publisher-fixture.ts";

const member = (connection: string, user: string | undefined, state?: Uint8Array): Member => ({
  connection,
  clientId: `client ${connection}`,
  user,
  state,
  since: 5,
});

describe("GET /api/presence", () => {
  test("lists the members of a channel with their states as JSON", async () => {
    const { broker, call } = publisherFixture();
    const join = (joined: Member) =>
      broker.present("default", "room:1", { type: "join", member: joined });
    const state = new Uint8Array([0x81, 0xa2, 0x69, 0x64, 0xa1, 0x61]);
    join(member("1", "alice", state));
    join(member("2", undefined));
    join(member("3", undefined, new Uint8Array([0xc1])));
    const answer = JSON.parse((await call("/api/presence?channel=room:1")).text);
    expect(presenceSchema.parse(answer).members).toEqual([
      {
        connection: "1",
        clientId: "client 1",
        user: "alice",
        state: { id: "a" },
        since: 5,
        mesh: null,
      },
      { connection: "2", clientId: "client 2", user: null, state: null, since: 5, mesh: null },
      { connection: "3", clientId: "client 3", user: null, state: "wQ==", since: 5, mesh: null },
    ]);
  });

  test("is empty for a channel without members and refuses an app that is not configured", async () => {
    const { call } = publisherFixture();
    expect((await call("/api/presence?channel=nobody")).text).toBe('{"ok":true,"members":[]}');
    expect((await call("/api/presence?channel=a&app=nowhere")).status).toBe(404);
    expect((await call("/api/presence")).status).toBe(400);
  });
});

test("GET /api/presence/stats counts members and distinct users", async () => {
  const { broker, call } = publisherFixture();
  for (const connection of ["1", "2"]) {
    broker.present("shop", "room", { type: "join", member: member(connection, "alice") });
  }
  const answer = JSON.parse((await call("/api/presence/stats?app=shop&channel=room")).text);
  expect(presenceStatsSchema.parse(answer)).toEqual({ ok: true, members: 2, users: 1 });
});

describe("POST /api/token", () => {
  test("makes a token with the claims that were asked for", async () => {
    const { clock, post } = publisherFixture();
    const permissions = { subscribe: ["chat:*"], publish: [] };
    const [status, answer] = await post("/api/token", {
      app: "shop",
      user: "alice",
      permissions,
      ttlSeconds: 60,
    });
    expect(status).toBe(200);
    const { token, expiresAt } = tokenSchema.parse(answer);
    expect(expiresAt).toBe(Math.floor(clock.now() / 1000) * 1000 + 60_000);
    expect(decodeJwt(token)).toMatchObject({ sub: "alice", app: "shop", starling: permissions });
  });

  test.each([
    [{ ttlSeconds: 0 }, "ttlSeconds"],
    [{ permissions: { read: [] } }, "permissions.read"],
    [{ permissions: { subscribe: [7] } }, "permissions.subscribe[0]"],
    [{ user: "" }, "user"],
  ])("refuses %j with the path of the fault", async (body, path) => {
    const [status, answer] = await publisherFixture().post("/api/token", body);
    expect(status).toBe(400);
    expect(answer).toMatchObject(
      refusalBody(101, "invalid_request", expect.stringContaining(`${path}: `)),
    );
  });
});

test("GET /metrics is in the text exposition format and asks for the API key", async () => {
  const key = "0123456789abcdef";
  const { call } = publisherFixture({ apiKeys: [key] });
  expect((await call("/metrics")).status).toBe(401);
  const { text, headers } = await call("/metrics", { headers: { authorization: `Bearer ${key}` } });
  expect(headers.get("content-type")).toStartWith("text/plain");
  expect(text).toContain("# TYPE starling_deliveries_total counter");
});
