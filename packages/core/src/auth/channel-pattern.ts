import { nameFault } from "../hub/names.ts";

/** Patterns that one list of permissions may hold. */
export const MAX_PATTERNS = 100;

/**
 * A set of channels: a name in which each `*` stands for any run of characters, also none, so that
 * `*` is every channel, `chat:*` a namespace and `user:*:inbox` one channel of every user.
 *
 * There is no way to mean a literal `*`, so whoever puts names that users choose into patterns has
 * to refuse the ones with a `*`.
 *
 * A match takes time linear in the lengths of pattern and channel, whatever they are: patterns come
 * from outside, and a matcher that backtracks would let one of them hold up everybody.
 */
export class ChannelPattern {
  readonly text: string;
  /** The literal runs around the stars. */
  readonly #runs: readonly string[];

  /** @throws RangeError when `text` could not be the name of a channel. */
  constructor(text: string) {
    const fault = nameFault(text);
    if (fault !== undefined) throw new RangeError(`a channel pattern ${fault}`);
    this.text = text;
    this.#runs = text.split("*");
  }

  matches(channel: string): boolean {
    const [first = "", ...rest] = this.#runs;
    const last = rest.pop();
    if (last === undefined) return channel === this.text;
    const end = channel.length - last.length;
    if (end < first.length || !channel.startsWith(first) || !channel.endsWith(last)) return false;
    // The leftmost place of each run leaves the most room for those after it.
    let from = first.length;
    for (const run of rest) {
      const at = find(channel, run, from, end);
      if (at < 0) return false;
      from = at + run.length;
    }
    return true;
  }
}

/** Index of `run` in `text` between two bounds, or -1; the algorithm of Knuth, Morris and Pratt. */
function find(text: string, run: string, from: number, end: number): number {
  if (run === "") return from;
  const borders = bordersOf(run);
  let matched = 0;
  for (let index = from; index < end; index++) {
    matched = extended(run, borders, matched, text.charCodeAt(index));
    if (matched === run.length) return index + 1 - matched;
  }
  return -1;
}

/** For each prefix of `run` the length of its longest proper prefix that it also ends with. */
function bordersOf(run: string): readonly number[] {
  const borders = [0];
  let border = 0;
  for (let index = 1; index < run.length; index++) {
    border = extended(run, borders, border, run.charCodeAt(index));
    borders.push(border);
  }
  return borders;
}

/** The length of the longest prefix of `run` that ends here, after one more character. */
function extended(run: string, borders: readonly number[], matched: number, unit: number): number {
  let length = matched;
  while (length > 0 && run.charCodeAt(length) !== unit) length = borders[length - 1] ?? 0;
  return run.charCodeAt(length) === unit ? length + 1 : length;
}
