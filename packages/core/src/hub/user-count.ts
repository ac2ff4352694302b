/** What of a member tells whether it is the same user as another. */
interface CountedMember {
  readonly connection: string;
  /** A member without a user counts by its connection. */
  readonly user: string | undefined;
}

/** The distinct users among some members, counted so that asking costs nothing. */
export class UserCount {
  readonly #members = new Map<string, number>();

  get size(): number {
    return this.#members.size;
  }

  add(member: CountedMember): void {
    const key = userKey(member);
    this.#members.set(key, (this.#members.get(key) ?? 0) + 1);
  }

  /** Takes back one that was added. */
  remove(member: CountedMember): void {
    const key = userKey(member);
    const left = (this.#members.get(key) ?? 1) - 1;
    if (left === 0) this.#members.delete(key);
    else this.#members.set(key, left);
  }
}

/** Users and connections are named by whoever connects, so their keys must not meet. */
function userKey({ user, connection }: CountedMember): string {
  return user === undefined ? `connection ${connection}` : `user ${user}`;
}
