import { expect, test } from "bun:test";
import { Homes } from "./homes.ts";

const nodeOf = (name: string) => ({ node: name, start: `start of ${name}` });
const keys = Array.from({ length: 3_000 }, (_, index) => `key ${index}`);

function homesOf(...names: string[]): (key: string) => string[] {
  const homes = new Homes();
  homes.set(names.map(nodeOf));
  return (key) => homes.of(key, 2).map(({ node }) => node);
}

test("all nodes agree on the homes of a key, in whatever order they know one another", () => {
  const [one, other] = [homesOf("a", "b", "c", "d"), homesOf("d", "b", "a", "c")];
  for (const key of keys) {
    expect(one(key)).toEqual(other(key));
    expect(new Set(one(key)).size).toBe(2);
  }
});

test("each node is home of about as many keys", () => {
  const homes = homesOf("eu-1", "eu-2", "us-1");
  for (const node of ["eu-1", "eu-2", "us-1"]) {
    const own = keys.filter((key) => homes(key)[0] === node).length;
    expect(own).toBeGreaterThan(keys.length / 4);
  }
});

test("the second home of a key is the first when that goes, and no other key moves", () => {
  const [before, after] = [homesOf("a", "b", "c", "d"), homesOf("a", "b", "c")];
  for (const key of keys) {
    const [first, second] = before(key);
    expect(after(key)[0]).toBe((first === "d" ? second : first) ?? "");
  }
});

test("a node that is started again has the keys that it had, and one alone has all", () => {
  const homes = new Homes();
  homes.set([nodeOf("a"), nodeOf("b")]);
  const before = keys.map((key) => homes.of(key, 1)[0]?.node);
  homes.set([{ node: "a", start: "another start" }, nodeOf("b")]);
  expect(keys.map((key) => homes.of(key, 1)[0]?.node)).toEqual(before);
  homes.set([nodeOf("a")]);
  expect(homes.of("key", 2)).toEqual([nodeOf("a")]);
});
