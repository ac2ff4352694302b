import type { Member } from "./member.ts";
import { each, excluding, including, type OneOrMany } from "./one-or-many.ts";

/**
 * The members of a channel by the name that the others know them by, which a client has twice where it came back
 * before its former connection was known to be lost.
 */
export class Namesakes {
  readonly #named = new Map<string, OneOrMany<Member>>();

  get size(): number {
    return this.#named.size;
  }

  add(member: Member): void {
    const { clientId } = member;
    this.#named.set(clientId, including(this.#named.get(clientId), member));
  }

  remove(member: Member): void {
    const { clientId } = member;
    const rest = excluding(this.#named.get(clientId), member);
    if (rest === undefined) this.#named.delete(clientId);
    else this.#named.set(clientId, rest);
  }

  rename(member: Member, clientId: string): void {
    if (member.clientId === clientId) return;
    this.remove(member);
    member.clientId = clientId;
    this.add(member);
  }

  /** The one that came last of those with that name; of two of one moment all workers choose the same. */
  newest(clientId: string): Member | undefined {
    let newest: Member | undefined;
    for (const member of each(this.#named.get(clientId))) {
      if (newest === undefined || isNewer(member, newest)) newest = member;
    }
    return newest;
  }
}

function isNewer(a: Member, b: Member): boolean {
  return a.since === b.since ? a.connection > b.connection : a.since > b.since;
}
