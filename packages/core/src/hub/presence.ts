import type { Answer } from "../answer.ts";
import type { Broker, PresenceEvent } from "../broker/broker.ts";
import type { WorkerHandlers } from "../broker/handlers.ts";
import type { Clock } from "../ports.ts";
import type { Member } from "./member.ts";
import { Namesakes } from "./namesakes.ts";
import { type Question, type ReplicaNews, Replicas } from "./replicas.ts";

export interface PresenceOptions {
  readonly broker: Broker;
  readonly handlers: WorkerHandlers;
  readonly clock: Clock;
}

/** Hears what becomes of members of other workers, in channels that this worker has members in. */
export type PresenceObserver = (app: string, channel: string, news: ReplicaNews) => void;

/** A channel that somebody of this worker is present in, or is about to be. */
interface Watched {
  readonly app: string;
  readonly name: string;
  /** Members of this worker, by connection. */
  readonly own: Map<string, Member>;
  readonly others: Replicas;
  /** All of these, by the name that the others know them by. */
  readonly names: Namesakes;
  /** Settles when the last question that takes time is answered. */
  asking: Promise<void> | undefined;
  /** Whether the others have been known at any time. */
  isKnown: boolean;
}

/** Milliseconds after which is asked again what was not answered. */
const ASK_AGAIN_MS = 1_000;

/**
 * Who is present in which channel: the members of this worker, and, wherever it has some, those of
 * the others.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #apps = new Map<string, Map<string, Watched>>();
  #observer: PresenceObserver = () => {};
  /** How often something was lost. */
  #losses = 0;

  constructor(options: PresenceOptions) {
    this.#options = options;
    options.handlers.onPresence((app, channel, event) =>
      this.#find(app, channel)?.others.receive(event),
    );
    // News of members take no other way than from the node, and what is missed in some channels came by another.
    options.handlers.onMissed((concerns) => {
      if (concerns === undefined) void this.#askAll();
    });
  }

  /** There is one observer. */
  observe(observer: PresenceObserver): void {
    this.#observer = observer;
  }

  /**
   * Sees to it that the members of other workers are known; they stay so until the last own member
   * leaves, or `unwatch`. The promise is rejected with `broker_unavailable` when they cannot be.
   */
  watch(app: string, channel: string): Answer<void> {
    const known = this.#find(app, channel);
    if (known !== undefined) return known.isKnown ? undefined : known.asking;
    const names = new Namesakes();
    const watched: Watched = {
      app,
      name: channel,
      own: new Map(),
      others: new Replicas(names, (news) => this.#observer(app, channel, news)),
      names,
      asking: undefined,
      isKnown: false,
    };
    this.#channelsOf(app).set(channel, watched);
    return this.#ask(watched);
  }

  /** Ends the watch of a channel, unless somebody of this worker is present in it. */
  unwatch(app: string, channel: string): void {
    const watched = this.#find(app, channel);
    if (watched === undefined || watched.own.size > 0) return;
    this.#channelsOf(app).delete(channel);
    this.#options.broker.unwatch(app, channel);
  }

  /**
   * Adds a member of this worker; one that is present already is left as it is, and answers false.
   *
   * @throws RangeError where the channel is not watched
   */
  join(app: string, channel: string, member: Member): boolean {
    const watched = this.#find(app, channel);
    if (watched === undefined) throw new RangeError(`${channel} is not watched`);
    if (watched.own.has(member.connection)) return false;
    watched.own.set(member.connection, member);
    watched.names.add(member);
    this.tell(app, channel, { type: "join", member });
    return true;
  }

  /** Answers the member of this worker that left, if it was present. */
  leave(app: string, channel: string, connection: string): Member | undefined {
    const watched = this.#find(app, channel);
    const member = watched?.own.get(connection);
    if (watched === undefined || member === undefined) return undefined;
    watched.own.delete(connection);
    watched.names.remove(member);
    this.tell(app, channel, { type: "leave", connection });
    this.unwatch(app, channel);
    return member;
  }

  /** Gives a member of this worker another name. */
  rename(app: string, channel: string, member: Member, clientId: string): void {
    this.#find(app, channel)?.names.rename(member, clientId);
    this.tell(app, channel, { type: "rename", connection: member.connection, clientId });
  }

  /** The newest member of that name, whichever worker it is on; only in channels that are watched. */
  named(app: string, channel: string, clientId: string): Member | undefined {
    return this.#find(app, channel)?.names.newest(clientId);
  }

  /** Tells the other workers what became of a member of this one. */
  tell(app: string, channel: string, event: PresenceEvent): void {
    this.#options.broker.present(app, channel, event);
  }

  /** A member of this worker. */
  member(app: string, channel: string, connection: string): Member | undefined {
    return this.#find(app, channel)?.own.get(connection);
  }

  /** The members of a channel that is watched, on all workers, in the order in which they joined. */
  members(app: string, channel: string): readonly Member[] {
    const watched = this.#find(app, channel);
    if (watched === undefined) return [];
    const members = [...watched.own.values(), ...watched.others.members()];
    return members.sort((a, b) => a.since - b.since);
  }

  /** Asks who is there on other workers. */
  #ask(watched: Watched): Answer<void> {
    const question = watched.others.ask(!watched.isKnown);
    const answer = this.#options.broker.watch(watched.app, watched.name);
    if (!(answer instanceof Promise)) {
      watched.others.answered(question, answer, !watched.isKnown);
      watched.isKnown = true;
      return;
    }
    watched.asking = this.#wait(watched, question, answer);
    return watched.asking;
  }

  async #wait(
    watched: Watched,
    question: Question,
    answer: Promise<readonly Member[]>,
  ): Promise<void> {
    let members: readonly Member[];
    try {
      members = await answer;
    } catch (error) {
      this.#unanswered(watched, question, error);
      return;
    }
    const { app, name, others } = watched;
    if (this.#find(app, name) !== watched) return;
    if (!others.isAsked(question)) return watched.asking;
    if (!others.answered(question, members, !watched.isKnown)) return this.#ask(watched);
    watched.isKnown = true;
  }

  #unanswered(watched: Watched, question: Question, error: unknown): void {
    const { app, name, others } = watched;
    if (this.#find(app, name) === watched && others.isAsked(question)) {
      others.unanswered(question);
      if (watched.isKnown) {
        this.#options.clock.setTimeout(() => void this.#askAgain(watched), ASK_AGAIN_MS);
        return;
      }
      this.unwatch(app, name);
    }
    throw error;
  }

  /** What was lost is found by asking for all there is, one channel after the other. */
  async #askAll(): Promise<void> {
    const losses = ++this.#losses;
    const all = [...this.#apps.values()].flatMap((channels) => [...channels.values()]);
    for (const watched of all) {
      if (losses !== this.#losses) return;
      await this.#askAgain(watched);
    }
  }

  async #askAgain(watched: Watched): Promise<void> {
    if (this.#find(watched.app, watched.name) !== watched) return;
    // Whoever waits for the answer has the error, too.
    await Promise.resolve(this.#ask(watched)).catch(() => {});
  }

  #find(app: string, channel: string): Watched | undefined {
    return this.#apps.get(app)?.get(channel);
  }

  #channelsOf(app: string): Map<string, Watched> {
    let channels = this.#apps.get(app);
    if (channels === undefined) {
      channels = new Map();
      this.#apps.set(app, channels);
    }
    return channels;
  }
}
