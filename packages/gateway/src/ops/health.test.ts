import { expect, test } from "bun:test";
import { Health } from "./health.ts";
import { closing, readiness } from "./health-answers.ts";

test("readiness is 200 until something is in the way, and then says what", async () => {
  const health = new Health();
  const ready = readiness(health);
  expect([ready.status, await ready.text()]).toEqual([200, "ready"]);
  health.set("link", "the link to the node is down");
  health.set("draining", "shutting down");
  const unready = readiness(health);
  expect([unready.status, await unready.text()]).toEqual([
    503,
    "the link to the node is down; shutting down",
  ]);
  health.set("link", undefined);
  health.set("draining", undefined);
  expect(readiness(health).status).toBe(200);
});

test("readiness is never kept by a cache", () => {
  expect(readiness(new Health()).headers.get("cache-control")).toBe("no-store");
});

test("answers end their connections while it drains, and only then", () => {
  const health = new Health();
  expect(closing(health, new Response()).headers.has("connection")).toBe(false);
  health.set("node", "worker 1 was given up");
  expect(closing(health, new Response()).headers.has("connection")).toBe(false);
  health.set("draining", "shutting down");
  const answer = closing(health, new Response("text", { status: 201 }));
  expect([answer.status, answer.headers.get("connection")]).toEqual([201, "close"]);
});
