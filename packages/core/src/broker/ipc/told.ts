import { ByChannel } from "../../hub/by-channel.ts";
import type { Member } from "../../hub/member.ts";
import type { PresenceEvent } from "../broker.ts";
import type { ToldConnection } from "./messages.ts";

/** A member of this worker, and whether the others were to hear of it. */
interface OwnMember {
  readonly member: Member;
  isOnline: boolean;
  payload: Uint8Array | undefined;
}

/** What a node that knows nothing of this worker has to be told of it. */
export class Told {
  /** Subscribers by channel. */
  readonly interests = new ByChannel<number>();
  /** Connections by app. */
  readonly connections = new Map<string, number>();
  readonly watches = new ByChannel<true>();
  /** Connections by their ids, and how often each was told of. */
  readonly #named = new ByChannel<{ readonly told: ToldConnection; count: number }>();
  readonly #members = new ByChannel<Map<string, OwnMember>>();
  /** Interests that have changed since the node was told. */
  readonly #changed = new ByChannel<true>();
  #hasChanged = false;

  interest(app: string, channel: string, subscribers: number): void {
    if (subscribers > 0) this.interests.set(app, channel, subscribers);
    else this.interests.delete(app, channel);
    this.#changed.set(app, channel, true);
    this.#hasChanged = true;
  }

  get hasChangedInterests(): boolean {
    return this.#hasChanged;
  }

  /** Calls back for each channel whose interest has changed, with the last that was told of it. */
  takeChangedInterests(tell: (app: string, channel: string, subscribers: number) => void): void {
    this.#hasChanged = false;
    for (const [app, channel] of this.#changed.entries()) {
      tell(app, channel, this.interests.get(app, channel) ?? 0);
    }
    this.#changed.clear();
  }

  /** The node is about to be told everything. */
  changeAllInterests(): void {
    this.#changed.clear();
    this.#hasChanged = false;
    for (const [app, channel] of this.interests.entries()) {
      this.#changed.set(app, channel, true);
      this.#hasChanged = true;
    }
  }

  connection(app: string, change: 1 | -1): void {
    const connections = (this.connections.get(app) ?? 0) + change;
    if (connections > 0) this.connections.set(app, connections);
    else this.connections.delete(app);
  }

  connected(app: string, connection: string, user: string | undefined): void {
    const named = this.#named.get(app, connection);
    if (named !== undefined) named.count++;
    else this.#named.set(app, connection, { told: { app, connection, user }, count: 1 });
  }

  disconnected(app: string, connection: string): void {
    const named = this.#named.get(app, connection);
    if (named === undefined) return;
    named.count--;
    if (named.count === 0) this.#named.delete(app, connection);
  }

  /** Each as often as it was told of. */
  *namedConnections(): Iterable<ToldConnection> {
    for (const [, , { told, count }] of this.#named.entries()) {
      for (let left = count; left > 0; left--) yield told;
    }
  }

  present(app: string, channel: string, event: PresenceEvent): void {
    if (event.type === "join") {
      const member = { ...event.member };
      this.#membersOf(app, channel).set(member.connection, {
        member,
        isOnline: false,
        payload: undefined,
      });
      return;
    }
    const members = this.#members.get(app, channel);
    const own = members?.get(event.connection);
    if (members === undefined || own === undefined) return;
    switch (event.type) {
      case "online":
        own.isOnline = true;
        own.payload = event.payload;
        break;
      case "state":
        own.member.clientId = event.clientId;
        own.member.state = event.state;
        break;
      case "rename":
        own.member.clientId = event.clientId;
        break;
      case "leave":
        members.delete(event.connection);
        if (members.size === 0) this.#members.delete(app, channel);
        break;
    }
  }

  /** The events that make the members of this worker what they are. */
  *presence(): Iterable<readonly [string, string, PresenceEvent]> {
    for (const [app, channel, members] of this.#members.entries()) {
      for (const { member, isOnline, payload } of members.values()) {
        yield [app, channel, { type: "join", member }];
        if (!isOnline) continue;
        const { connection } = member;
        const type = "online";
        yield [
          app,
          channel,
          payload === undefined ? { type, connection } : { type, connection, payload },
        ];
      }
    }
  }

  #membersOf(app: string, channel: string): Map<string, OwnMember> {
    let members = this.#members.get(app, channel);
    if (members === undefined) {
      members = new Map();
      this.#members.set(app, channel, members);
    }
    return members;
  }
}
