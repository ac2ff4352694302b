/** A node that may send, or does. */
export interface Candidate {
  readonly start: string;
  /** When it began, ms since the epoch. */
  readonly since: number;
  /** Whether it knows what the last sender knew. */
  readonly isInformed: boolean;
}

/** Which of two nodes sends where both do: the one that began first. */
export function goesBefore(
  a: Pick<Candidate, "start" | "since">,
  b: Pick<Candidate, "start" | "since">,
): boolean {
  return a.since === b.since ? a.start < b.start : a.since < b.since;
}

/** Which of several nodes is to send where none does; all that know of the same nodes say the same. */
export function elected(first: Candidate, others: Iterable<Candidate>): Candidate {
  let best = first;
  for (const each of others) {
    const isBetter = each.isInformed === best.isInformed ? goesBefore(each, best) : each.isInformed;
    if (isBetter) best = each;
  }
  return best;
}
