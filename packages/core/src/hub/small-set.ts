/**
 * A set that holds its first member without allocating.
 *
 * Most channels are one user's own and have one subscriber, so a `Set` for each would be the
 * largest part of an idle connection.
 */
export class SmallSet<T extends object> {
  #members: T | Set<T> | undefined;

  get size(): number {
    if (this.#members === undefined) return 0;
    return this.#members instanceof Set ? this.#members.size : 1;
  }

  has(member: T): boolean {
    return this.#members instanceof Set ? this.#members.has(member) : this.#members === member;
  }

  /** Answers whether the member was new. */
  add(member: T): boolean {
    const members = this.#members;
    if (members === undefined) {
      this.#members = member;
      return true;
    }
    if (members instanceof Set) {
      const before = members.size;
      return members.add(member).size > before;
    }
    if (members === member) return false;
    this.#members = new Set([members, member]);
    return true;
  }

  /** Answers whether the member was there. */
  delete(member: T): boolean {
    if (this.#members instanceof Set) return this.#members.delete(member);
    if (this.#members !== member) return false;
    this.#members = undefined;
    return true;
  }

  forEach(visit: (member: T) => void): void {
    if (this.#members instanceof Set) for (const member of this.#members) visit(member);
    else if (this.#members !== undefined) visit(this.#members);
  }
}
