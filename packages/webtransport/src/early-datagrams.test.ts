import { describe, expect, test } from "bun:test";
import { EarlyDatagrams } from "./early-datagrams.ts";

const sized = (length: number) => new Uint8Array(length);

describe("datagrams that come early", () => {
  test("are kept in their order, and given once", () => {
    const early = new EarlyDatagrams();
    for (const length of [3, 1, 2]) expect(early.keep(sized(length))).toBe(true);
    expect(early.takeAll().map(({ length }) => length)).toEqual([3, 1, 2]);
    expect(early.takeAll()).toEqual([]);
  });

  test("are kept up to sixteen, however small they are", () => {
    const early = new EarlyDatagrams();
    for (let count = 0; count < 16; count++) expect(early.keep(sized(0))).toBe(true);
    expect(early.keep(sized(0))).toBe(false);
    expect(early.takeAll()).toHaveLength(16);
    expect(early.keep(sized(0))).toBe(true);
  });

  test("are kept up to 20,000 bytes, however few they are", () => {
    const early = new EarlyDatagrams();
    expect(early.keep(sized(20_001))).toBe(false);
    expect(early.keep(sized(19_999))).toBe(true);
    expect(early.keep(sized(2))).toBe(false);
    expect(early.keep(sized(1))).toBe(true);
    early.takeAll();
    expect(early.keep(sized(20_000))).toBe(true);
  });
});
