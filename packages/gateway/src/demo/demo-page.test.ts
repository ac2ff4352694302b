import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import { developmentCertificate } from "../certificates/development.ts";
import { listenForSubscribers } from "../listeners/subscriber-listener.ts";
import { systemClock } from "../runtime/system.ts";
import { demoEndpoints } from "./demo-page.ts";

const folder = mkdtempSync(join(tmpdir(), "starling-demo-"));
const endpoints = demoEndpoints({
  curlLine: (channel) => `curl for ${channel}`,
  webTransportHost: () => undefined,
});
let server: Bun.Server<SocketHandler>;
let ca: string;

beforeAll(async () => {
  const tls = await developmentCertificate(folder, systemClock);
  ca = tls.cert;
  server = listenForSubscribers({
    host: "127.0.0.1",
    port: 0,
    shared: false,
    finish: (answer) => answer,
    tls: { ...tls, ca: undefined },
    sockets: { maxPayloadBytes: 1_000, slowConsumerBytes: 1_000 },
    endpoints,
    otherwise: undefined,
    handshakeHeaders: {},
    onError: (error) => {
      throw error;
    },
  });
});

afterAll(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true });
});

function get(path: string, method = "GET"): Promise<Response> {
  return fetch(new URL(path, server.url), { method, tls: { ca } });
}

describe.each([...endpoints.keys()])("%s", (path) => {
  test("is served with a policy against foreign and inline scripts", async () => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect((await response.text()).length).toBeGreaterThan(0);
    const policy = response.headers.get("content-security-policy")?.split("; ") ?? [];
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy.filter((directive) => directive.includes("unsafe"))).toEqual([]);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("answers HEAD without a body, and no method that would change something", async () => {
    const head = await get(path, "HEAD");
    expect([head.status, await head.text()]).toEqual([200, ""]);
    for (const method of ["POST", "PUT", "DELETE"]) {
      const response = await get(path, method);
      expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    }
  });
});

test("everything that the page loads is served with the right type", async () => {
  const html = await (await get("/demo")).text();
  const links = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? "");
  const script = await (await get("/demo/demo.js")).text();
  const modules = [...script.matchAll(/from "\.([^"]*)"/g)].map((match) => `/demo${match[1]}`);
  const types = new Map<string, string | undefined>();
  for (const path of [...links, ...modules]) {
    const type = (await get(path)).headers.get("content-type")?.split(";")[0];
    types.set(path, type);
  }
  expect(Object.fromEntries(types)).toEqual({
    "/demo/icon.svg": "image/svg+xml",
    "/demo/demo.css": "text/css",
    "/demo/socket.io.js": "text/javascript",
    "/demo/demo.js": "text/javascript",
    "/demo/event-list.js": "text/javascript",
  });
});

test("the page holds nothing inline that its policy would stop", async () => {
  const html = await (await get("/demo")).text();
  expect(html).not.toMatch(/\s(?:style|on\w+)=|<style|<script(?![^>]* src=)/);
});

test("the client is the stock one", async () => {
  const served = await (await get("/demo/socket.io.js")).text();
  const stock = Bun.file(new URL(import.meta.resolve("socket.io-client/dist/socket.io.js")));
  expect(served).toBe(await stock.text());
});

test("the command is given for the channel that the page asks for", async () => {
  const usual = { curl: "curl for demo:hello", webTransportHost: null };
  expect(await (await get("/demo/config.json")).json()).toEqual(usual);
  const other = await get(`/demo/config.json?${new URLSearchParams({ channel: "demo:a&b" })}`);
  expect(await other.json()).toEqual({ ...usual, curl: "curl for demo:a&b" });
});
