import { expect, test } from "bun:test";
import { listedNodes, MAX_LISTED } from "./listed-nodes.ts";
import { encodeNotice, type NodeNotice } from "./notice.ts";

const notice: NodeNotice = {
  ...{ addresses: ["https://a.example"], connections: 1, load: 0.5, draining: false },
  ...{ links: 2, linksUp: 2, lagMs: 3 },
};
const other = (node: string, told: Partial<NodeNotice> = {}) => ({
  node,
  about: encodeNotice({ ...notice, ...told }),
});

test("the own node comes first, the others in the order of their names", () => {
  const listed = listedNodes("m", notice, [other("z"), other("a", { draining: true }), other("n")]);
  expect(listed.map(({ id, draining }) => [id, draining])).toEqual([
    ["m", false],
    ["a", true],
    ["n", false],
    ["z", false],
  ]);
});

test("clients are told nothing of links, and of a region that there is", () => {
  const [own, far] = listedNodes("m", notice, [other("far", { region: "us" })]);
  expect(own).toEqual({
    ...{ id: "m", region: null, addresses: ["https://a.example"] },
    ...{ connections: 1, load: 0.5, draining: false },
  });
  expect(far?.region).toBe("us");
});

test("a node that says nothing of itself is not listed", () => {
  expect(listedNodes("m", notice, [{ node: "old", about: "" }])).toHaveLength(1);
});

test("a list is bounded, and the own node is always in it", () => {
  const many = Array.from({ length: 2 * MAX_LISTED }, (_, n) => other(`a${n}`));
  const listed = listedNodes("m", notice, many);
  expect([listed.length, listed[0]?.id]).toEqual([MAX_LISTED, "m"]);
});
