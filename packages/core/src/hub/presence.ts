/** One connection that is present in a channel. */
export interface Member {
  /** Id of the connection. */
  readonly connection: string;
  /** The name that the others know it by; a client may change it. */
  clientId: string;
  readonly user: string | undefined;
  /** What it last said of itself, in its own encoding; undefined while it said nothing. */
  state: Uint8Array | undefined;
  /** When it joined, in milliseconds since the Unix epoch. */
  readonly since: number;
}

export interface PresenceStats {
  /** Connections present. */
  readonly members: number;
  /** Distinct users among them; a member without a user counts by its connection. */
  readonly users: number;
}

/** The members of one channel, with the counts that make statistics cost nothing. */
class ChannelMembers {
  readonly members = new Map<string, Member>();
  readonly #connectionsOfUser = new Map<string, number>();

  get users(): number {
    return this.#connectionsOfUser.size;
  }

  add(member: Member): void {
    this.members.set(member.connection, member);
    const key = userKey(member);
    this.#connectionsOfUser.set(key, (this.#connectionsOfUser.get(key) ?? 0) + 1);
  }

  remove(member: Member): void {
    this.members.delete(member.connection);
    const key = userKey(member);
    const left = (this.#connectionsOfUser.get(key) ?? 1) - 1;
    if (left === 0) this.#connectionsOfUser.delete(key);
    else this.#connectionsOfUser.set(key, left);
  }
}

/** Users and connections are named by whoever connects, so their keys must not meet. */
function userKey({ user, connection }: Member): string {
  return user === undefined ? `connection ${connection}` : `user ${user}`;
}

/** Who is present in which channel on this worker. */
export class Presence {
  readonly #apps = new Map<string, Map<string, ChannelMembers>>();

  /** Adds a member; one that is present already is left as it is, and answers false. */
  join(app: string, channel: string, member: Member): boolean {
    const channels = this.#channelsOf(app);
    let present = channels.get(channel);
    if (present === undefined) {
      present = new ChannelMembers();
      channels.set(channel, present);
    }
    if (present.members.has(member.connection)) return false;
    present.add(member);
    return true;
  }

  /** Answers the member that left, if it was present. */
  leave(app: string, channel: string, connection: string): Member | undefined {
    const channels = this.#channelsOf(app);
    const present = channels.get(channel);
    const member = present?.members.get(connection);
    if (present === undefined || member === undefined) return undefined;
    present.remove(member);
    if (present.members.size === 0) channels.delete(channel);
    return member;
  }

  member(app: string, channel: string, connection: string): Member | undefined {
    return this.#channelsOf(app).get(channel)?.members.get(connection);
  }

  /** In the order in which they joined. */
  members(app: string, channel: string): Iterable<Member> {
    return this.#channelsOf(app).get(channel)?.members.values() ?? [];
  }

  /** Costs the same however many members there are. */
  stats(app: string, channel: string): PresenceStats {
    const present = this.#channelsOf(app).get(channel);
    return { members: present?.members.size ?? 0, users: present?.users ?? 0 };
  }

  #channelsOf(app: string): Map<string, ChannelMembers> {
    let channels = this.#apps.get(app);
    if (channels === undefined) {
      channels = new Map();
      this.#apps.set(app, channels);
    }
    return channels;
  }
}
