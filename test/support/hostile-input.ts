/** Random numbers of a seed, so that a failure shows again (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** At least 0 and below `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * end);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

const PLACEHOLDER = '{"_placeholder":true,"num":0}';
const DEPTH = 100_000;
const deep = "[".repeat(DEPTH) + "]".repeat(DEPTH);
const deepObject = `${'{"a":'.repeat(DEPTH)}1${"}".repeat(DEPTH)}`;

/** Messages that are large or deep; each once is enough. */
export const giants: readonly string[] = [
  `42["publish",{"channel":"open:x","data":${deep}}]`,
  `421["publish",{"channel":"open:x","data":${deepObject}}]`,
  `42["subscribe",${deep}]`,
  `421["${"e".repeat(900_000)}"]`,
  `42[${deep}]`,
  `42${deep}`,
  `40${deepObject}`,
  `40/${"n".repeat(999_000)},{}`,
  `40/${"n".repeat(999_000)}`,
  `42/${"é".repeat(400_000)},["a"]`,
  `42${"9".repeat(900_000)}["a"]`,
  `45${"9".repeat(900_000)}-["a"]`,
  `451-["publish",{"channel":"open:x","data":${deep.slice(0, DEPTH)}${PLACEHOLDER}${deep.slice(DEPTH)}}]`,
  `42["publish",{"channel":"open:x","data":"${"\\u0000".repeat(150_000)}"}]`,
  `42["publish",{${'"data":1,'.repeat(90_000)}"channel":"open:x"}]`,
  `42["publish"${",1".repeat(400_000)}]`,
  `42["publish",{"channel":"open:x","data":1${"0".repeat(900_000)}}]`,
  "\x1e".repeat(900_000),
  "4\x1e".repeat(400_000),
  "b".repeat(900_000),
];

const seeds: readonly string[] = [
  ...["40", "40{}", '40{"token":1}', "40/shop,", "40/,", "40,{}", "40/\0,", "40/é🐢,{}", "40null"],
  ...["41", "41/shop,", "43[]", '431["x"]', "44{}", "46", "47", "49", "4:", "4", "", " ", "\0"],
  ...["0", "0{}", "1", "2", "2x", "2probe", "3", "3probe", "5", "6", "7", "x", "\ufeff40"],
  ...["b", "bAQID", "bAQ", "b!!!!", "b=", "bAQID\x1e40", "4\x1e4\x1e", "\x1e", "\x1e\x1e40"],
  ...["42", "42[", "42[]", '42["a"', '42{"a":1}', "42[1]", "42[null]", "42[{}]", "42true"],
  ...['42["__proto__"]', '42["connect"]', '42["disconnect"]', '42["constructor",{}]'],
  ...['42-1["a"]', '421.5["a"]', '421e300["a"]', '4299999999999999999999["a"]', '42 1["a"]'],
  `42${"9".repeat(309)}["a"]`,
  '42["subscribe",{"channel":"open:x"}]',
  '421["subscribe",{"channel":"open:y"}]',
  '422["unsubscribe",{"channel":"open:x"}]',
  '423["publish",{"channel":"open:x","event":"e","data":{"a":[1,2,"é"]}}]',
  '424["publish",{"channel":"open:x","data":{"__proto__":{"x":1},"constructor":1}}]',
  '425["publish",{"channel":"open:x","event":"\\ud800","data":1}]',
  '426["publish",{"channel":"open:x","data":1e400,"data":-0}]',
  '42["publish",{"channel":"open:x","data":"\\u2028\\u0000"}]',
  `451-["publish",{"channel":"open:b","data":${PLACEHOLDER}}]`,
  `452-["publish",{"channel":"open:b","data":[${PLACEHOLDER},${PLACEHOLDER}]}]`,
  `4510-["publish",{"channel":"open:b","data":${PLACEHOLDER}}]`,
  `450-["publish",{"channel":"open:b","data":${PLACEHOLDER}}]`,
  `4511-["publish",${PLACEHOLDER}]`,
  `461-[${PLACEHOLDER}]`,
  '451-["a",{"_placeholder":true,"num":-1}]',
  '451-["a",{"_placeholder":true,"num":1e9}]',
  '451-["a",{"_placeholder":true,"num":"0"}]',
  '451-["a",{"_placeholder":true,"num":"length"}]',
  '451000000000-["a"]',
  "45-",
  '451["a"]',
  `42["publish",{"channel":"open:x","data":${PLACEHOLDER}}]`,
];

const CHARACTERS = [...'0123456789{}[]",:/-.\\eE+ b\0\x1e\x7fé€🐢\ud800\u2028'];

/** A message near the grammar of the protocol, mutated at random. */
export function hostileMessage(dice: Dice): string {
  let text = dice.pick(seeds);
  if (dice.chance(15)) text += dice.pick(seeds);
  for (let count = dice.chance(50) ? 0 : dice.below(4); count > 0; count--) {
    const at = dice.below(text.length + 1);
    const removed = dice.chance(50) ? dice.below(3) : 0;
    const added = dice.chance(70) ? dice.pick(CHARACTERS) : "";
    text = text.slice(0, at) + added + text.slice(at + removed);
  }
  return text;
}

/** A query string, more or less like that of a client. */
export function hostileQuery(dice: Dice, sids: readonly string[]): string {
  const sid = sids.length > 0 && dice.chance(70) ? dice.pick(sids) : hostileMessage(dice);
  const parts = [
    ["EIO=4", "EIO=4", "EIO=4", "EIO=3", "EIO", "EIO=4&EIO=3", `EIO=${"4".repeat(500)}`],
    ["transport=polling", "transport=polling", "transport=websocket", "transport=", "transport=%"],
    [
      "",
      "",
      `sid=${encodeURIComponent(sid.toWellFormed())}`,
      "sid=",
      "sid=%ff%fe",
      "sid=__proto__",
    ],
    ["", "uniqueUserId=%F0%28", "j=0", "t=%00", "b64=1", `x=${"y".repeat(dice.below(3_000))}`],
  ].map((choices) => dice.pick(choices));
  return parts.filter((part) => part !== "").join(dice.chance(90) ? "&" : ";");
}
