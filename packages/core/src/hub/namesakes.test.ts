import { expect, test } from "bun:test";
import type { Member } from "./member.ts";
import { Namesakes } from "./namesakes.ts";

const member = (connection: string, since: number, clientId = "ada"): Member => ({
  connection,
  clientId,
  user: undefined,
  state: undefined,
  since,
});

test("of several members with one name the one is known that came last", () => {
  const names = new Namesakes();
  const [first, second] = [member("1", 1), member("2", 2)];
  for (const each of [second, first]) names.add(each);
  expect(names.newest("ada")).toBe(second);
  expect(names.newest("bob")).toBeUndefined();
  names.remove(second);
  expect(names.newest("ada")).toBe(first);
});

test("of two that came in the same moment it is the same one, whichever was heard of first", () => {
  const both = [member("1", 5), member("2", 5)];
  const chosen = [both, both.toReversed()].map((order) => {
    const names = new Namesakes();
    for (const each of order) names.add(each);
    return names.newest("ada");
  });
  expect(chosen[0]).toBe(chosen[1]);
});

test("a member with another name is known by that alone", () => {
  const names = new Namesakes();
  const [first, second] = [member("1", 1), member("2", 2)];
  for (const each of [first, second]) names.add(each);
  names.rename(second, "bob");
  expect(second.clientId).toBe("bob");
  expect([names.newest("ada"), names.newest("bob")]).toEqual([first, second]);
});

test("nothing is kept of who has left", () => {
  const names = new Namesakes();
  const all = [member("1", 1), member("2", 2), member("3", 3, "bob")];
  for (const each of all) names.add(each);
  for (const each of all) names.remove(each);
  expect(names.size).toBe(0);
});
