import type { Answer } from "../answer.ts";
import type { Clock, TimerHandle } from "../ports.ts";
import type { Homes } from "./homes.ts";
import type { NodeQuestions } from "./questions.ts";
import type { OtherNode, ReachTransport } from "./transport.ts";
import { countIn, type Fields, fieldsOf, listIn, textIn } from "./values.ts";

/** Milliseconds for which a home is waited for, and for which it waits for others before it refuses somebody. */
const ROOM_MS = 1_000;
const HELD_MS = 500;
/** Users that are told of anew without a pause: more would keep everybody waiting. */
const AT_ONCE = 500;

/** The connections of users that a node has itself. */
export interface OwnUsers {
  /** The keys of all users who have any. */
  keys(): readonly string[];
  taken(key: string): number;
}

export interface UserHomesOptions {
  readonly transport: ReachTransport;
  readonly homes: Homes;
  readonly questions: NodeQuestions;
  readonly clock: Clock;
  readonly own: OtherNode;
  readonly users: OwnUsers;
}

/**
 * How many connections users have on all nodes together: of each, one node is told by all how many they have, and
 * decides whether there is room for more.
 */
export class UserHomes {
  readonly #options: UserHomesOptions;
  /** What nodes have of the users that this one decides about, by their starts. */
  readonly #held = new Map<string, Map<string, number>>();
  #retelling: TimerHandle | undefined;

  constructor(options: UserHomesOptions) {
    this.#options = options;
  }

  /** Users that this node decides about, each as often as nodes have told of them. */
  get size(): number {
    let size = 0;
    for (const held of this.#held.values()) size += held.size;
    return size;
  }

  /**
   * Whether a user of whom this node has so many, one that is about to come included, may have that one.
   * Where the home does not answer he may.
   */
  room(key: string, taken: number, limit: number): Answer<boolean> {
    const { own, questions } = this.#options;
    const home = this.#homeOf(key);
    if (home === undefined || home === own.start) return this.#decide(own.start, key, taken, limit);
    return questions.ask(home, "room", { key, taken, limit }, ROOM_MS).then(
      (hasRoom) => hasRoom !== false,
      () => true,
    );
  }

  /** How many this node has of a user has changed. */
  changed(key: string, taken: number): void {
    this.#tell(new Map([[key, taken]]));
  }

  /** A home is asked whether there is room. */
  asked(start: string, fields: Fields): Answer<boolean> {
    const [taken, limit] = [countIn(fields, "taken"), countIn(fields, "limit")];
    return this.#decide(start, textIn(fields, "key"), taken, limit);
  }

  /** A node says how many it has. */
  told(start: string, argument: unknown): void {
    for (const each of listIn(fieldsOf(argument), "users")) {
      const fields = fieldsOf(each);
      this.#set(start, textIn(fields, "key"), countIn(fields, "taken"));
    }
  }

  /** There are other nodes than before, or messages may have been lost: homes may know nothing of what this one has. */
  retell(): void {
    const { clock, users } = this.#options;
    if (this.#retelling !== undefined) clock.clearTimeout(this.#retelling);
    const keys = users.keys();
    const from = (at: number) => {
      this.#retelling = undefined;
      const some = keys.slice(at, at + AT_ONCE);
      this.#tell(new Map(some.map((key) => [key, users.taken(key)])));
      if (at + AT_ONCE < keys.length) {
        this.#retelling = clock.setTimeout(() => from(at + AT_ONCE), 0);
      } else this.#forgetOthers();
    };
    from(0);
  }

  gone(start: string): void {
    this.#held.delete(start);
  }

  close(): void {
    if (this.#retelling !== undefined) this.#options.clock.clearTimeout(this.#retelling);
  }

  #decide(start: string, key: string, taken: number, limit: number): Answer<boolean> {
    const decide = () => {
      const hasRoom = this.#others(start, key) + taken <= limit;
      // Whoever is refused has one less than it asked for.
      this.#set(start, key, hasRoom ? taken : taken - 1);
      return hasRoom;
    };
    if (this.#others(start, key) + taken <= limit) return decide();
    // What a node said last may have been lost: nobody is refused for connections that are not there.
    return this.#verify(start, key).then(decide);
  }

  async #verify(start: string, key: string): Promise<void> {
    const { own, questions, users } = this.#options;
    const others = [...this.#held].filter(([other, held]) => other !== start && held.has(key));
    await Promise.all(
      others.map(async ([other]) => {
        if (other === own.start) {
          this.#set(other, key, users.taken(key));
          return;
        }
        const taken = await questions.ask(other, "held", { key }, HELD_MS).catch(() => undefined);
        if (typeof taken === "number") this.#set(other, key, taken);
      }),
    );
  }

  #others(start: string, key: string): number {
    let sum = 0;
    for (const [other, held] of this.#held) if (other !== start) sum += held.get(key) ?? 0;
    return sum;
  }

  #tell(users: ReadonlyMap<string, number>): void {
    const { transport, own } = this.#options;
    const byHome = new Map<string, object[]>();
    for (const [key, taken] of users) {
      const home = this.#homeOf(key);
      if (home === undefined) continue;
      if (home === own.start) this.#set(home, key, taken);
      else {
        const some = byHome.get(home);
        if (some === undefined) byHome.set(home, [{ key, taken }]);
        else some.push({ key, taken });
      }
    }
    for (const [start, some] of byHome) {
      transport.send({ start }, { type: "word", method: "users", argument: { users: some } });
    }
  }

  #set(start: string, key: string, taken: number): void {
    let held = this.#held.get(start);
    if (taken <= 0) {
      held?.delete(key);
      if (held?.size === 0) this.#held.delete(start);
      return;
    }
    if (held === undefined) {
      held = new Map();
      this.#held.set(start, held);
    }
    held.set(key, taken);
  }

  /** Users that another node decides about now. */
  #forgetOthers(): void {
    for (const [start, held] of [...this.#held]) {
      for (const key of held.keys()) {
        if (this.#homeOf(key) !== this.#options.own.start) this.#set(start, key, 0);
      }
    }
  }

  #homeOf(key: string): string | undefined {
    return this.#options.homes.of(key, 1)[0]?.start;
  }
}
