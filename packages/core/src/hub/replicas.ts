import type { PresenceEvent } from "../broker/broker.ts";
import { areEqual } from "./equal-bytes.ts";
import type { Member } from "./member.ts";
import type { Namesakes } from "./namesakes.ts";

/** What became of a member of another worker; `replica` says it already. */
export type ReplicaNews =
  | { readonly type: "online"; readonly replica: Member; readonly payload?: Uint8Array }
  | { readonly type: "state"; readonly replica: Member }
  | { readonly type: "leave"; readonly replica: Member };

/** A question who is there, which is on its way. */
export interface Question {
  /** What came since it was asked; undefined once that was too much. */
  events: PresenceEvent[] | undefined;
}

/** Events that may wait for an answer; with more the answer is of no use, and another is asked for. */
const MAX_WAITING = 10_000;

/**
 * The members that a channel has on other workers, kept up to date by what these say. What the broker
 * hands over is this worker's own copy.
 */
export class Replicas {
  readonly #members = new Map<string, Member>();
  readonly #names: Namesakes;
  readonly #tell: (news: ReplicaNews) => void;
  #question: Question | undefined;

  /** @param names where they stand with those of this worker */
  constructor(names: Namesakes, tell: (news: ReplicaNews) => void) {
    this.#names = names;
    this.#tell = tell;
  }

  members(): Iterable<Member> {
    return this.#members.values();
  }

  /** An event, which waits while somebody has asked who is there, since it may come after the answer. */
  receive(event: PresenceEvent): void {
    const question = this.#question;
    if (question === undefined) this.#apply(event);
    else if ((question.events?.push(event) ?? 0) > MAX_WAITING) question.events = undefined;
  }

  /**
   * Somebody asks who is there; of several questions the last one counts. What waited for the one before came sooner
   * than anything that is lost now, and is of no use where nobody was known yet.
   */
  ask(isFirst: boolean): Question {
    if (this.#question !== undefined && !isFirst) this.unanswered(this.#question);
    this.#question = { events: [] };
    return this.#question;
  }

  /** Whether the question is the last one, and has no answer yet. */
  isAsked(question: Question): boolean {
    return this.#question === question;
  }

  /**
   * The answer to the question that is asked: nobody is told of the first, and of others what is
   * different. False when too much came since for it to be of use.
   */
  answered(question: Question, members: readonly Member[], isFirst: boolean): boolean {
    this.#question = undefined;
    const { events } = question;
    if (events === undefined) return false;
    if (isFirst) for (const member of members) this.#add(member);
    else this.#correct(members, movedIn(events));
    for (const event of events) this.#apply(event);
    return true;
  }

  /** There will be no answer to the question that is asked. */
  unanswered(question: Question): void {
    this.#question = undefined;
    for (const event of question.events ?? []) this.#apply(event);
  }

  /** A connection that joins once more takes the place that it had. */
  #add(member: Member): void {
    const former = this.#members.get(member.connection);
    if (former !== undefined) this.#names.remove(former);
    this.#members.set(member.connection, member);
    this.#names.add(member);
  }

  /** @param moved connections whose coming or going waits to be told, each in its turn */
  #correct(members: readonly Member[], moved: ReadonlySet<string>): void {
    const present = new Set(members.map(({ connection }) => connection));
    for (const connection of [...this.#members.keys()]) {
      if (present.has(connection) || moved.has(connection)) continue;
      this.#apply({ type: "leave", connection });
    }
    for (const member of members) {
      if (moved.has(member.connection)) continue;
      const replica = this.#members.get(member.connection);
      if (replica === undefined) this.#discover(member);
      else this.#compare(replica, member);
    }
  }

  /** Whether it was announced meanwhile nobody knows; to hear of it twice does no harm. */
  #discover(replica: Member): void {
    this.#add(replica);
    this.#tell({ type: "online", replica });
    if (replica.state !== undefined) this.#tell({ type: "state", replica });
  }

  #compare(replica: Member, { clientId, state }: Member): void {
    const isSame = replica.clientId === clientId && areEqual(replica.state, state);
    this.#names.rename(replica, clientId);
    replica.state = state;
    if (!isSame && state !== undefined) this.#tell({ type: "state", replica });
  }

  #apply(event: PresenceEvent): void {
    if (event.type === "join") {
      this.#add(event.member);
      return;
    }
    const replica = this.#members.get(event.connection);
    if (replica === undefined) return;
    switch (event.type) {
      case "online":
        this.#tell({ ...event, replica });
        break;
      case "state":
        this.#names.rename(replica, event.clientId);
        replica.state = event.state;
        this.#tell({ type: "state", replica });
        break;
      case "rename":
        this.#names.rename(replica, event.clientId);
        break;
      case "leave":
        this.#members.delete(event.connection);
        this.#names.remove(replica);
        this.#tell({ type: "leave", replica });
        break;
    }
  }
}

/** The connections that came or went. */
function movedIn(events: readonly PresenceEvent[]): ReadonlySet<string> {
  const moved = new Set<string>();
  for (const event of events) {
    if (event.type === "join") moved.add(event.member.connection);
    else if (event.type === "leave") moved.add(event.connection);
  }
  return moved;
}
