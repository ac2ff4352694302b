import { expect, test } from "bun:test";
import type { ListedNode } from "@starling/core/mesh-directory/listed-nodes.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { NodeList } from "./node-list.ts";

const node: ListedNode = {
  ...{ id: "here", region: null, addresses: [], connections: 0, load: 0, draining: false },
};

test("a worker asks its node once a second at most, however many ask the worker", async () => {
  const clock = new FakeClock();
  let asked = 0;
  const list = new NodeList(async () => [{ ...node, connections: ++asked }], clock);
  const texts = await Promise.all([list.text(), list.text()]);
  expect(texts[0]).toBe(texts[1] ?? "");
  expect(JSON.parse(texts[0] ?? "")).toEqual({
    ...{ ok: true, node: "here", nodes: [{ ...node, connections: 1 }] },
  });
  clock.advance(999);
  expect(await list.text()).toBe(texts[0] ?? "");
  clock.advance(1);
  expect(JSON.parse(await list.text()).nodes[0].connections).toBe(2);
});

test("a clock that is set back does not keep an old list", async () => {
  const clock = new FakeClock();
  let asked = 0;
  const list = new NodeList(() => [{ ...node, connections: ++asked }], clock);
  await list.text();
  clock.set(clock.now() - 3_600_000);
  await list.text();
  expect(asked).toBe(2);
});

test("a node that does not answer is asked again by the next", async () => {
  let isThere = false;
  const answer = async () => {
    if (!isThere) throw new Error("no answer");
    return [node];
  };
  const list = new NodeList(answer, new FakeClock());
  expect(await list.text().catch(String)).toBe("Error: no answer");
  isThere = true;
  expect(JSON.parse(await list.text()).node).toBe("here");
});
