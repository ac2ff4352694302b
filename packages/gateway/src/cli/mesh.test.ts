import { expect, test } from "bun:test";
import { meshText } from "./mesh.ts";

const own = {
  ...{ id: "eu-1", isOwn: true, rttMs: null, region: "eu", addresses: ["https://eu1.example"] },
  ...{ connections: 1_200, load: 0.314, draining: false, links: 3, linksUp: 2, lagMs: 4 },
};

test("nodes are a table, with what is not known as a dash", () => {
  const nats = { downMs: null, lagMs: 2 };
  const us = { ...own, id: "us-1", isOwn: false, rttMs: 82, draining: true, lagMs: 900 };
  const silent = { id: "old", isOwn: false, rttMs: null };
  expect(meshText({ nats, nodes: [own, silent, us] })).toBe(
    `eu-1, link to NATS up, 2 other nodes

NODE  REGION  STATE      RTT    LAG     LINKS   CONNECTIONS  LOAD  ADDRESSES
eu-1  eu      here       -      4 ms    2 of 3  1200         31 %  https://eu1.example
old   -       no answer  -      -       -       -            -     -
us-1  eu      draining   82 ms  900 ms  2 of 3  1200         31 %  https://eu1.example
`,
  );
});

test("a node without NATS is told of as alone", () => {
  const nameless = { ...own, id: "", addresses: [] };
  const [first, ...rest] = meshText({ nats: null, nodes: [nameless] }).split("\n");
  expect(first).toBe("this node is alone: NATS_URL is not set");
  expect(rest.at(-2)).toMatch(/^- .* -$/);
});

test("a link that is down says for how long", () => {
  const text = meshText({ nats: { downMs: 61_000, lagMs: null }, nodes: [own] });
  expect(text).toStartWith("eu-1, link to NATS down for 1m 1s, 0 other nodes\n");
});
