import { expect, test } from "bun:test";
import fc from "fast-check";
import { dropNewConnections, encodeProgram, spreadOver } from "./reuseport-program.ts";
import { runProgram } from "./testing/bpf-machine.ts";

const indices = fc.uniqueArray(fc.nat(65_535), { minLength: 1, maxLength: 64 });

test("new connections are spread evenly over the listeners that are named, and no others", () => {
  fc.assert(
    fc.property(indices, fc.nat(0xffff_ffff), (named, random) => {
      const program = encodeProgram(spreadOver(named));
      const round = named.map((_, i) =>
        runProgram(program, { random: random - (random % named.length) + i }),
      );
      expect(round).toEqual(named);
    }),
  );
});

test("there has to be somewhere to steer to", () => {
  expect(() => spreadOver([])).toThrow(RangeError);
});

/** A TCP header with these flags (RFC 9293 section 3.1). */
function segment(flags: number): Uint8Array {
  return new Uint8Array(20).fill(0xff).with(13, flags);
}

test("of all segments only those that open a connection are dropped", () => {
  const program = encodeProgram(dropNewConnections());
  for (let flags = 0; flags < 256; flags++) {
    const opens = (flags & 0x02) !== 0;
    expect(runProgram(program, { packet: segment(flags) })).toBe(opens ? 0 : 0xffff_ffff);
  }
});
