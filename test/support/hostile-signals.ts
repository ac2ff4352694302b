import type { Dice } from "./hostile-input.ts";
import { pack } from "./signalling-client.ts";

const DEPTH = 60_000;

/** MessagePack that is large, deep, or promises more than there is. */
export function giantSignals(channel: string): readonly Buffer[] {
  const head = pack({ t: "data", c: channel, x: 0 }).subarray(0, -1);
  const deepArrays = Buffer.concat([Buffer.alloc(DEPTH, 0x91), Buffer.of(0xc0)]);
  const level = Buffer.from([0x81, 0xa1, 0x61]);
  const deepMaps = Buffer.concat([
    ...Array.from({ length: DEPTH / 3 }, () => level),
    Buffer.of(0xc0),
  ]);
  const wide = Object.fromEntries(Array.from({ length: 12_000 }, (_, index) => [`k${index}`, 1]));
  const twice = Buffer.concat([
    Buffer.of(0xde, 0x4e, 0x20),
    ...Array.from({ length: 20_000 }, () => Buffer.from([0xa1, 0x74, 0])),
  ]);
  const states = [deepArrays, deepMaps, pack(wide), twice].map((content) => [
    pack({ t: "control", op: "channel_join", c: channel, pl: content }),
    pack({ t: "control", op: "peer_state", c: channel, pl: content.subarray(0, 4_000) }),
    pack({ t: "data", c: channel, pl: content }),
  ]);
  return [
    deepArrays,
    deepMaps,
    twice,
    pack(wide),
    Buffer.concat([head, deepArrays]),
    Buffer.concat([head, deepMaps]),
    // Lengths of 4 GiB with nothing behind them.
    ...[0xdf, 0xdd, 0xdb, 0xc6, 0xc9].flatMap((format) => {
      const promise = Buffer.of(format, 0xff, 0xff, 0xff, 0xff);
      return [promise, Buffer.concat([head, promise])];
    }),
    pack({ t: "data", c: "c".repeat(60_000), pl: Buffer.of(1) }),
    pack({ t: "control", op: "peer_state", c: channel, p: "p".repeat(60_000) }),
    pack({ t: "control", op: "auth", tk: `${"a".repeat(20_000)}.b.c` }),
    pack({ t: "data", c: channel, x: Buffer.alloc(900_000) }),
    ...states.flat(),
  ];
}

/** A message near the protocol, mutated at random. */
export function hostileSignal(dice: Dice, channel: string): Buffer {
  if (dice.chance(10)) return Buffer.from(dice.bytes(dice.below(200)));
  const bytes = Buffer.from(pack(dice.pick(seeds(dice, channel))));
  let mutated: Buffer = bytes;
  for (let count = dice.chance(40) ? 0 : dice.below(5); count > 0; count--) {
    const at = dice.below(mutated.length + 1);
    const removed = dice.chance(40) ? dice.below(4) : 0;
    const added = dice.chance(60) ? Buffer.from(dice.bytes(dice.below(4))) : Buffer.alloc(0);
    mutated = Buffer.concat([mutated.subarray(0, at), added, mutated.subarray(at + removed)]);
  }
  return mutated;
}

function seeds(dice: Dice, c: string): readonly object[] {
  const op = dice.pick([
    ...["channel_join", "peer_online", "peer_state", "peer_offline", "subscribe", "unsubscribe"],
    ...["ping", "auth", "ack", "error", "snapshot", "constructor", "toString"],
  ]);
  const id = dice.pick([0, 1, 4_294_967_295, 4_294_967_296, -1, 1.5, null, "1", [], {}]);
  const pl = dice.pick([pack({ id: "x" }), pack({ event: "e", data: "1" }), Buffer.of(0xc1), "é"]);
  return [
    { t: "control", op, c, pl, id },
    { t: "control", op, c, p: dice.pick(["x", "", null, 7]), pl, id },
    { t: "control", op, c, ep: "e", off: 1, rec: true, ms: [{ p: "x", since: 1 }], more: true },
    { t: "control", op, tk: "a.b.c", id, ts: 1 },
    { t: "data", c, pl, id },
    { t: "data", c, pl: pack({ event: dice.pick(["connect", "a\nb", "e"]), data: "[1,2]" }), id },
    { t: dice.pick(["", "Data", null, 1]), op, c },
    { c, pl, id, sid: "x", app: "other", constructor: 1 },
    [c, op, pl],
  ];
}
