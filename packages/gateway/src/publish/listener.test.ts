import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { developmentCertificate } from "../certificates/development.ts";
import { systemClock } from "../runtime/system.ts";
import type { PublisherHandler } from "./handler.ts";
import { publisherServeOptions, startPublisherListener } from "./listener.ts";
import { publisherFixture, RecordingLog, refusalBody } from "./testing/publisher-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "starling-listener-"));
let cert = "";
let key = "";

beforeAll(async () => {
  ({ cert, key } = await developmentCertificate(folder, systemClock));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function listen(handler: PublisherHandler) {
  const log = new RecordingLog();
  const tls = { cert, key, verifyOrigin: false };
  const server = startPublisherListener({ handler, tls, hostname: "127.0.0.1", port: 0, log });
  const call = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, server.url), { ...init, tls: { ca: cert } });
  return { server, log, call };
}

test("a request over TLS reaches the hub, and its peer passes the address gate", async () => {
  const { handler, hub } = publisherFixture({ allowedIps: ["127.0.0.1/32"] });
  const { server, call } = listen(handler);
  try {
    const body = '{"channel":"c","data":{"a":1}}';
    const answer = await call("/api/publish", { method: "POST", body });
    expect([answer.status, await answer.json()]).toEqual([200, { ok: true, subscribers: 1 }]);
    expect(hub.published).toMatchObject([{ channel: "c", data: '{"a":1}' }]);
  } finally {
    await server.stop(true);
  }
});

test("a fault outside the handler's own care is answered 500 as JSON, and logged", async () => {
  const { handler } = publisherFixture();
  const fault = new Error("inner secret");
  const { server, log, call } = listen({ ...handler, fetch: () => Promise.reject(fault) });
  try {
    const answer = await call("/");
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual(refusalBody(900, "internal", "internal error"));
    expect(log.lines).toEqual([["error", { error: fault }, expect.any(String)]]);
  } finally {
    await server.stop(true);
  }
});

test("client certificates without an authority to check them by stop the start", () => {
  const { handler, log } = publisherFixture();
  const tls = { cert, key, verifyOrigin: true };
  expect(() => publisherServeOptions({ handler, tls, hostname: "::1", port: 0, log })).toThrow(
    "CA_PATH",
  );
});
