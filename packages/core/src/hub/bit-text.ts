const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** Bits of a group; a character is a group, or from 32 on several that are all 0, or from 48 on all 1. */
const GROUP = 5;
const ONES = 31;
const [RUN_OF_ZEROS, RUN_OF_ONES] = [32, 48];
const [MIN_RUN, RUNS] = [2, 16];
const MAX_RUN = MIN_RUN + RUNS - 1;

/** Bits as text, which is short where many that follow one another are the same; the last group is filled with 0. */
export function bitText(count: number, isSet: (index: number) => boolean): string {
  let text = "";
  let run = 0;
  let runOf = 0;
  const endRun = () => {
    if (run >= MIN_RUN)
      text += ALPHABET[(runOf === 0 ? RUN_OF_ZEROS : RUN_OF_ONES) + run - MIN_RUN];
    else if (run > 0) text += ALPHABET[runOf];
    run = 0;
  };
  for (let start = 0; start < count; start += GROUP) {
    const end = Math.min(start + GROUP, count);
    let group = 0;
    for (let index = start, bit = 1; index < end; index++, bit <<= 1) {
      if (isSet(index)) group |= bit;
    }
    if (group !== 0 && group !== ONES) {
      endRun();
      text += ALPHABET[group];
      continue;
    }
    if (run === MAX_RUN || group !== runOf) endRun();
    runOf = group;
    run++;
  }
  endRun();
  return text;
}

/** Longest text of so many bits. */
export function maxBitText(count: number): number {
  return Math.ceil(count / GROUP);
}

/** The bits of a text in their order, filled up to a whole group; undefined for what is no digit. */
export function* bitsOf(text: string): Generator<boolean | undefined> {
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    const isRun = digit >= RUN_OF_ZEROS;
    const value = digit >= RUN_OF_ONES ? ONES : 0;
    const group = isRun ? value : digit;
    const count = isRun ? (digit % RUNS) + MIN_RUN : 1;
    for (let index = 0; index < count * GROUP; index++) {
      yield digit < 0 ? undefined : (group & (1 << (index % GROUP))) !== 0;
    }
  }
}
