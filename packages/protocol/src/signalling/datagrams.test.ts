import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { countInDatagram, joinMessages, MAX_DATAGRAM_BYTES, splitMessages } from "./datagrams.ts";

/** MessagePack, so that it does not begin as several messages do. */
const message = fc
  .uint8Array({ minLength: 1, maxLength: MAX_DATAGRAM_BYTES })
  .filter(([first]) => first !== 0xc1);

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function split(datagram: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  splitMessages(datagram, (each) => messages.push(each));
  return messages;
}

/** As a sender does it. */
function datagramsOf(messages: readonly Uint8Array[]): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (let at = 0; at < messages.length; ) {
    const count = countInDatagram(messages, at);
    datagrams.push(joinMessages(messages.slice(at, at + count)));
    at += count;
  }
  return datagrams;
}

describe("messages in datagrams", () => {
  test("arrive whole and in their order, in as few datagrams as that takes", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
        const datagrams = datagramsOf(messages);
        expect(datagrams.flatMap(split)).toEqual(messages);
        let taken = 0;
        for (const datagram of datagrams) {
          expect(datagram.length).toBeLessThanOrEqual(MAX_DATAGRAM_BYTES);
          const count = split(datagram).length;
          taken += count;
          const next = messages[taken];
          if (next === undefined) continue;
          const soFar = count === 1 ? datagram.length + 3 : datagram.length;
          expect(soFar + 2 + next.length).toBeGreaterThan(MAX_DATAGRAM_BYTES);
        }
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  test("are the datagram itself where there is one", () => {
    const alone = bytes(0x81, 1, 2);
    expect(joinMessages([alone])).toBe(alone);
    expect(split(alone)).toEqual([alone]);
  });

  test("stand behind two bytes of length where there are more", () => {
    const datagram = bytes(0xc1, 0, 1, 0x80, 0, 2, 0x81, 7);
    expect(joinMessages([bytes(0x80), bytes(0x81, 7)])).toEqual(datagram);
    expect(split(datagram)).toEqual([bytes(0x80), bytes(0x81, 7)]);
  });

  test.each([
    ["no message", []],
    ["half a length", [0]],
    ["an empty message", [0, 0, 0, 1, 0x80]],
    ["a message that ends too early", [0, 2, 0x80]],
    ["a length without a message", [255, 255]],
  ])("count before a rest with %s, which is one that no reader takes", (_what, rest) => {
    expect(split(bytes(0xc1, ...rest))).toEqual([bytes()]);
    expect(split(bytes(0xc1, 0, 1, 0x80, ...rest))).toEqual(
      rest.length === 0 ? [bytes(0x80)] : [bytes(0x80), bytes()],
    );
  });

  test("never hold more than the datagram, whatever that is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (rest) => {
        const messages = split(bytes(0xc1, ...rest));
        const length = messages.reduce((sum, each) => sum + each.length + 2, 0);
        expect(messages.length).toBeGreaterThan(0);
        const isBroken = messages.at(-1)?.length === 0;
        if (isBroken) expect(length - 2).toBeLessThanOrEqual(rest.length);
        else expect(length).toBe(rest.length);
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});
