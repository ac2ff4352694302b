import { describe, expect, test } from "bun:test";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Server } from "bun";
import { nodesEndpoint } from "./nodes-endpoint.ts";
import { OriginPolicy } from "./origin-policy.ts";

const PAGE = "https://page.example";
const text = '{"ok":true,"node":"a","nodes":[]}';
const server = {
  requestIP: () => ({ address: "192.0.2.7", family: "IPv4", port: 1 }),
} as unknown as Server<SocketHandler>;

function endpoint(origins = [PAGE], answer: () => Promise<string> = async () => text) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const listed = nodesEndpoint(
    { connectRatePerAddress: 2, useProxy: false, trustProxy: [] },
    { nodes: { text: answer }, origins: new OriginPolicy(origins), clock, log },
  );
  const call = async (method = "GET", origin?: string) => {
    const headers = origin === undefined ? {} : { origin };
    const request = new Request("https://here.example/v1/nodes", { method, headers });
    const response = await listed.fetch(request, server);
    if (response === undefined) throw new Error("no answer");
    return response;
  };
  return { clock, log, call };
}

async function errorOf(response: Response): Promise<unknown> {
  return ((await response.json()) as { error: { name: string } }).error.name;
}

describe("who asks for the nodes", () => {
  test("gets a list that may be kept for some seconds", async () => {
    const response = await endpoint().call();
    expect([response.status, await response.text()]).toEqual([200, text]);
    expect(response.headers.get("cache-control")).toBe("public, max-age=5");
    // The same address answers pages of several origins.
    expect(response.headers.get("vary")).toBe("Origin");
  });

  test("may be a page of an allowed origin, and no other", async () => {
    const { call } = endpoint();
    const allowed = await call("GET", PAGE);
    expect(allowed.headers.get("access-control-allow-origin")).toBe(PAGE);
    const foreign = await call("GET", "https://foreign.example");
    expect([foreign.status, await errorOf(foreign)]).toEqual([403, "origin_forbidden"]);
    expect(foreign.headers.get("access-control-allow-origin")).toBeNull();
    const any = await endpoint(["*"]).call("GET", "https://foreign.example");
    expect(any.headers.get("access-control-allow-origin")).toBe("*");
  });

  test("may ask first whether they may", async () => {
    const { call } = endpoint();
    expect((await call("OPTIONS", PAGE)).status).toBe(204);
    expect((await call("OPTIONS", "https://foreign.example")).status).toBe(405);
  });

  test("may not do anything but read", async () => {
    const response = await endpoint().call("POST", PAGE);
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await endpoint().call("HEAD")).status).toBe(200);
  });

  test("is limited by address, and told when to come back in words that pages can read", async () => {
    const { call, clock } = endpoint();
    await call();
    await call();
    const refused = await call("GET", PAGE);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(refused.headers.get("access-control-allow-origin")).toBe(PAGE);
    clock.advance(1_000);
    expect((await call()).status).toBe(200);
  });
});

test("a node that cannot be asked is a refusal, and anything else is logged", async () => {
  const away = endpoint([PAGE], async () => {
    throw new StarlingError("broker_unavailable");
  });
  expect((await away.call()).status).toBe(503);
  expect(away.log.lines).toEqual([]);
  const broken = endpoint([PAGE], async () => {
    throw new TypeError("a fault");
  });
  expect((await broken.call()).status).toBe(500);
  expect(broken.log.lines).toHaveLength(1);
});
