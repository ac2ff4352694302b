/**
 * A set of whole numbers above 0, kept as ranges.
 *
 * The dots that a replica has heard of are one range from 1 unless something was lost, so the usual set
 * costs two numbers however much has happened.
 */
export class Dots {
  /** First and last of each range, in ascending order; no two ranges touch. */
  #bounds: number[];

  private constructor(bounds: number[]) {
    this.#bounds = bounds;
  }

  static none(): Dots {
    return new Dots([]);
  }

  /** From `first` to `last`, both included; none where `last` is the smaller one. */
  static range(first: number, last: number): Dots {
    return new Dots(last < first ? [] : [first, last]);
  }

  /** @param dots in any order */
  static of(dots: Iterable<number>): Dots {
    const bounds: number[] = [];
    for (const dot of [...dots].sort((a, b) => a - b)) append(bounds, dot, dot);
    return new Dots(bounds);
  }

  /**
   * @param bounds first and last of each range
   * @throws RangeError when they are not in ascending order, or below 1
   */
  static fromBounds(bounds: readonly number[]): Dots {
    let end = 0;
    for (let index = 0; index < bounds.length; index += 2) {
      const [first = 0, last = 0] = [bounds[index], bounds[index + 1]];
      if (first <= end || last < first) throw new RangeError("ranges of dots are out of order");
      end = last + 1;
    }
    return new Dots([...bounds]);
  }

  get bounds(): readonly number[] {
    return this.#bounds;
  }

  get ranges(): number {
    return this.#bounds.length / 2;
  }

  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  /** The largest one; 0 where there is none. */
  get last(): number {
    return this.#bounds.at(-1) ?? 0;
  }

  /** The largest one up to which none from 1 is missing; 0 where 1 is. */
  get floor(): number {
    return this.#bounds[0] === 1 ? (this.#bounds[1] ?? 0) : 0;
  }

  /** Whether everything from 1 to `last` is there, and something is. */
  get isWhole(): boolean {
    return this.#bounds.length === 2 && this.#bounds[0] === 1;
  }

  /** How many there are that are not above `limit`. */
  upTo(limit: number): number {
    const bounds = this.#bounds;
    let count = 0;
    for (let index = 0; index < bounds.length; index += 2) {
      const first = bounds[index] ?? 0;
      if (first > limit) break;
      count += Math.min(limit, bounds[index + 1] ?? 0) - first + 1;
    }
    return count;
  }

  has(dot: number): boolean {
    const bounds = this.#bounds;
    let [low, high] = [0, bounds.length / 2 - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      if ((bounds[2 * middle + 1] ?? 0) < dot) low = middle + 1;
      else if ((bounds[2 * middle] ?? 0) > dot) high = middle - 1;
      else return true;
    }
    return false;
  }

  /** Takes in what another set has. */
  addAll(other: Dots): void {
    const [mine, theirs] = [this.#bounds, other.#bounds];
    if (theirs.length === 0) return;
    const end = mine.at(-1) ?? 0;
    // What is heard in order only moves the end.
    if (theirs.length === 2 && mine.length > 0 && (theirs[0] ?? 0) >= (mine.at(-2) ?? 0)) {
      const [first = 0, last = 0] = theirs;
      if (first > end + 1) mine.push(first, last);
      else if (last > end) mine[mine.length - 1] = last;
      return;
    }
    const union: number[] = [];
    for (let [i, j] = [0, 0]; i < mine.length || j < theirs.length; ) {
      const isMine = (mine[i] ?? Infinity) <= (theirs[j] ?? Infinity);
      const from = isMine ? mine : theirs;
      const at = isMine ? i : j;
      append(union, from[at] ?? 0, from[at + 1] ?? 0);
      if (isMine) i += 2;
      else j += 2;
    }
    this.#bounds = union;
  }

  /** Those that both have. */
  intersection(other: Dots): Dots {
    const [mine, theirs] = [this.#bounds, other.#bounds];
    const shared: number[] = [];
    for (let [i, j] = [0, 0]; i < mine.length && j < theirs.length; ) {
      const first = Math.max(mine[i] ?? 0, theirs[j] ?? 0);
      const last = Math.min(mine[i + 1] ?? 0, theirs[j + 1] ?? 0);
      if (first <= last) shared.push(first, last);
      if ((mine[i + 1] ?? 0) < (theirs[j + 1] ?? 0)) i += 2;
      else j += 2;
    }
    return new Dots(shared);
  }

  copy(): Dots {
    return new Dots([...this.#bounds]);
  }
}

/** Adds a range that begins at or behind the beginning of the last one. */
function append(bounds: number[], first: number, last: number): void {
  const end = bounds.at(-1);
  if (end === undefined || first > end + 1) bounds.push(first, last);
  else if (last > end) bounds[bounds.length - 1] = last;
}
