/** Spread of a value over the rounds. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** One value for each round, in their order. */
  readonly values: readonly number[];
}

/** Throws on an empty list: a value that was never measured has no spread. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => {
    const value = sorted[index];
    if (value === undefined) throw new Error("no values");
    return value;
  };
  const upper = at(Math.floor(sorted.length / 2));
  const lower = at(Math.floor((sorted.length - 1) / 2));
  return { min: at(0), median: (lower + upper) / 2, max: at(sorted.length - 1), values };
}

/** The list turned left by `by` places: round by round, each peer comes first, second, third. */
export function rotated<T>(list: readonly T[], by: number): T[] {
  const cut = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(cut), ...list.slice(0, cut)];
}
