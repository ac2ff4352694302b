import { expect, test } from "bun:test";
import type { Publication } from "../hub/publication.ts";
import { SignalledPublication } from "../hub/signalled-publication.ts";
import { publicationHolding } from "./holdings.ts";

const MIB = 1024 * 1024;
const NOTE = '{"text":"some text, long enough to be a part of another one"}';

test("a publication that is held does not keep the request that it came in", () => {
  const held: Publication[] = [];
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  for (let index = 0; index < 200; index++) {
    const body = new Uint8Array(MIB).fill(97);
    new TextEncoder().encodeInto(NOTE, body);
    const data = new TextDecoder().decode(body).slice(0, NOTE.length);
    held.push(publicationHolding.own({ app: "default", channel: "a", event: "e", data }));
  }
  Bun.gc(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
  expect(new Set(held.map(({ data }) => data))).toEqual(new Set([NOTE]));
});

test("is the same in every other respect, with text of any script", () => {
  const publication: Publication = {
    app: "default",
    channel: "a",
    event: "e",
    data: '"añ漢💥"',
    publisher: "p",
    id: 7,
    sender: "s",
    attachments: [Uint8Array.of(1)],
  };
  expect(publicationHolding.own(publication)).toEqual(publication);
});

test("of a payload nothing but the payload is held", () => {
  const message = new Uint8Array(MIB);
  message.set([1, 2, 3], 10);
  const said = new SignalledPublication("default", "a", "p", message.subarray(10, 13), 7);
  said.sender = "s";
  const own = publicationHolding.own(said);
  expect(own.payload).toEqual(Uint8Array.of(1, 2, 3));
  expect(own.payload?.buffer.byteLength).toBe(3);
  const { app, channel, publisher, id, sender } = own;
  expect([app, channel, publisher, id, sender]).toEqual(["default", "a", "p", 7, "s"]);
  expect(publicationHolding.own(own)).toBe(own);
});
