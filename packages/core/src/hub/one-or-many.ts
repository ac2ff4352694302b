/**
 * A set that is its own member while it has only one.
 *
 * Most channels are one user's own and have one subscriber, and most connections are in one
 * channel, so a `Set` for each would be the largest part of an idle connection. `T` must not itself
 * be a `Set`.
 */
export type OneOrMany<T extends object> = T | Set<T> | undefined;

export function sizeOf<T extends object>(members: OneOrMany<T>): number {
  if (members === undefined) return 0;
  return members instanceof Set ? members.size : 1;
}

export function includes<T extends object>(members: OneOrMany<T>, member: T): boolean {
  return members instanceof Set ? members.has(member) : members === member;
}

/** The members with one more; a `Set` is changed in place. */
export function including<T extends object>(members: OneOrMany<T>, member: T): OneOrMany<T> {
  if (members === undefined || members === member) return member;
  return members instanceof Set ? members.add(member) : new Set([members, member]);
}

/** The members without that one; a `Set` is changed in place. */
export function excluding<T extends object>(members: OneOrMany<T>, member: T): OneOrMany<T> {
  if (members instanceof Set) {
    members.delete(member);
    return members.size === 0 ? undefined : members;
  }
  return members === member ? undefined : members;
}

/** The members, to go through; whoever changes them meanwhile copies first. */
export function each<T extends object>(members: OneOrMany<T>): Iterable<T> {
  if (members === undefined) return [];
  return members instanceof Set ? members : [members];
}
