import { expect, test } from "bun:test";
import { Envelopes } from "./envelope.ts";

const publication = (data: string) => ({ app: "default", channel: "a", event: "e", data });

test("what is sent once is the same as what is sealed for many", () => {
  const envelopes = new Envelopes("node.worker");
  for (const data of ["1", JSON.stringify("ä".repeat(90_000)), "2"]) {
    const only = envelopes.only(publication(data), 2 ** 40 + 7);
    const content = envelopes.content(publication(data));
    expect(only).toEqual(envelopes.seal(content, 2 ** 40 + 7));
    expect(envelopes.open(only, "default", "b")).toMatchObject({ channel: "b", event: "e", data });
  }
});

test("messages do not share what they are written in", () => {
  const envelopes = new Envelopes("node.worker");
  const first = envelopes.only(publication('"first"'), 1);
  envelopes.only(publication('"second"'), 2);
  expect(envelopes.open(first, "default", "a").data).toBe('"first"');
});

test("the numbers of a message are those that it was stamped with", () => {
  const envelopes = new Envelopes("node.worker");
  const message = envelopes.only(publication("1"), 2 ** 53 - 1);
  envelopes.stamp(message, 2 ** 32 + 1, 2 ** 31);
  expect(Envelopes.stampOf(message)).toEqual({
    ...{ origin: "node.worker", link: 2 ** 32 + 1, first: 2 ** 31, sequence: 2 ** 53 - 1 },
  });
});
