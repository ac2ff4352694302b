/** What of a member tells whether it is the same user as another. */
interface CountedMember {
  /** A member without a user counts for itself. */
  readonly user: string | undefined;
}

/** The distinct users among some members, counted so that asking costs nothing. */
export class UserCount {
  readonly #users = new Map<string, number>();
  #withoutUser = 0;

  get size(): number {
    return this.#users.size + this.#withoutUser;
  }

  add({ user }: CountedMember): void {
    if (user === undefined) this.#withoutUser++;
    else this.#users.set(user, (this.#users.get(user) ?? 0) + 1);
  }

  /** Takes back one that was added. */
  remove({ user }: CountedMember): void {
    if (user === undefined) {
      this.#withoutUser--;
      return;
    }
    const left = (this.#users.get(user) ?? 1) - 1;
    if (left === 0) this.#users.delete(user);
    else this.#users.set(user, left);
  }
}
