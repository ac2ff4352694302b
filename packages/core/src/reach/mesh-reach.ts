import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../answer.ts";
import type { Ban } from "../bans/ban.ts";
import type { BanList } from "../bans/ban-list.ts";
import type { DeliveryKey, Published } from "../broker/broker.ts";
import { bothDisconnected, type Disconnection, type Elsewhere } from "../broker/elsewhere.ts";
import { Reservations } from "../broker/reservations.ts";
import type { DisconnectTarget } from "../hub/api.ts";
import type { Clock, Random } from "../ports.ts";
import { BanSync } from "./ban-sync.ts";
import { Homes } from "./homes.ts";
import { KeyHomes } from "./key-homes.ts";
import { NodeQuestions } from "./questions.ts";
import type { OtherNode, ReachMessage, ReachTransport } from "./transport.ts";
import { type OwnUsers, UserHomes } from "./user-homes.ts";
import { countIn, type Fields, fieldsOf, textIn } from "./values.ts";

/** Milliseconds for which nodes are waited for that disconnect; their workers have two seconds. */
const DISCONNECT_MS = 3_000;
/** Milliseconds for which somebody who connects waits for the node that counts his rate. */
const TAKE_MS = 500;

/** What this node does for the others. */
export interface ReachedNode {
  disconnect(app: string, target: DisconnectTarget): Promise<Disconnection>;
  readonly bans: { readonly list: BanList; learn(bans: readonly Ban[]): void };
  /** Takes one from the rate of a user, as this node counts it. */
  takeUser(key: string): number;
  readonly users: OwnUsers;
}

export interface MeshReachOptions {
  readonly transport: ReachTransport;
  readonly clock: Clock;
  readonly random: Random;
  /** This node, as the others know it. */
  readonly own: OtherNode;
  readonly node: ReachedNode;
  /** Milliseconds for which the answers of deliveries with a key are remembered; 0 = not at all. */
  readonly idempotencyWindowMs: number;
  /** Milliseconds after which a node that is silent is gone. */
  readonly leaseMs: number;
}

/** What is said about the other nodes as a whole. */
export interface ReachCounts {
  /** Questions to other nodes that wait for their answers. */
  readonly questions: number;
  /** Questions that were not answered in time. */
  readonly questionsLate: number;
  /** Questions that were not asked because too many were open. */
  readonly questionsRefused: number;
  /** Keys of deliveries that nodes have reserved here. */
  readonly keys: number;
  /** Users whose connections are counted here, each as often as nodes have some. */
  readonly users: number;
  /** Answers of such keys that were forgotten before their time. */
  readonly keysForgottenEarly: number;
}

/**
 * A node's part of what must hold on all nodes of a mesh: whoever is disconnected or banned is so everywhere, and what
 * is counted of users is counted by one node for all, which the nodes agree on without a word (`Homes`).
 *
 * Where a node or NATS is away, what holds on one node holds still, and nobody waits for longer than a bounded time.
 */
export class MeshReach implements Elsewhere {
  readonly #options: MeshReachOptions;
  readonly #questions: NodeQuestions;
  readonly #homes = new Homes();
  readonly #bans: BanSync;
  readonly #reservations: Reservations<string>;
  readonly #keys: KeyHomes;
  readonly #users: UserHomes;

  constructor(options: MeshReachOptions) {
    const { transport, clock, random, node } = options;
    this.#options = options;
    this.#questions = new NodeQuestions({ transport, clock });
    this.#bans = new BanSync({
      ...{ transport, clock, random, questions: this.#questions, list: node.bans.list },
      learn: (bans) => node.bans.learn(bans),
    });
    const { leaseMs, idempotencyWindowMs: windowMs } = options;
    this.#reservations = new Reservations({ clock, windowMs, leaseMs });
    this.#keys = new KeyHomes({
      ...{ clock, random, own: options.own, homes: this.#homes, questions: this.#questions },
      reservations: this.#reservations,
    });
    this.#users = new UserHomes({
      ...{ transport, clock, own: options.own, homes: this.#homes, questions: this.#questions },
      users: node.users,
    });
    this.#changed();
  }

  get counts(): ReachCounts {
    const { size, late, refused } = this.#questions;
    const { size: keys, forgottenEarly } = this.#reservations;
    const { size: users } = this.#users;
    return {
      questions: size,
      questionsLate: late,
      questionsRefused: refused,
      keys,
      keysForgottenEarly: forgottenEarly,
      users,
    };
  }

  async disconnect(app: string, target: DisconnectTarget): Promise<Disconnection> {
    const { transport } = this.#options;
    const nodes = transport.nodes();
    const argument = { app, ...target };
    const { answers, unanswered } = await this.#questions.gather(
      nodes,
      "disconnect",
      argument,
      DISCONNECT_MS,
    );
    const isComplete = transport.isUp && unanswered.length === 0;
    return answers.map(readDisconnection).reduce(bothDisconnected, {
      ...{ connections: 0, unanswered, isComplete },
    });
  }

  said(ban: Ban): void {
    this.#bans.said(ban);
  }

  take(key: string): Answer<number> {
    const { own, transport } = this.#options;
    const [home] = this.#homes.of(key, 1);
    if (home === undefined || home.start === own.start || !transport.isUp) return 0;
    return this.#questions.ask(home.start, "take", { key }, TAKE_MS).then(
      (waitMs) => countIn({ waitMs }, "waitMs"),
      () => 0,
    );
  }

  room(key: string, taken: number, limit: number): Answer<boolean> {
    return this.#users.room(key, taken, limit);
  }

  holds(key: string, taken: number): void {
    this.#users.changed(key, taken);
  }

  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]> {
    const { transport, idempotencyWindowMs } = this.#options;
    // Where this node is alone there is nobody to ask, and nobody who would.
    const isAlone = !transport.isUp || idempotencyWindowMs === 0;
    return isAlone ? keys.map(() => undefined) : this.#keys.reserve(keys);
  }

  answered(key: DeliveryKey, published: Published): void {
    if (this.#options.transport.isUp) this.#keys.answered(key, published);
  }

  release(keys: readonly DeliveryKey[]): void {
    this.#keys.release(keys);
  }

  /** Another node is there from now on. */
  came({ start }: OtherNode): void {
    this.#changed();
    this.#bans.came(start);
  }

  gone({ start }: OtherNode): void {
    this.#users.gone(start);
    this.#changed();
    this.#questions.gone(start);
    this.#keys.gone(start);
  }

  linkUp(): void {
    this.#bans.linkUp();
    this.#users.retell();
  }

  linkDown(): void {
    this.#questions.linkDown();
  }

  /** @throws WireError when it is not what nodes say to one another */
  receive(start: string, message: ReachMessage): void {
    switch (message.type) {
      case "answer":
      case "refusal":
        this.#questions.receive(start, message);
        break;
      case "word":
        if (message.method === "bans") this.#bans.told(message.argument);
        else if (message.method === "digest") this.#bans.compared(start, message.argument);
        else if (message.method === "users") this.#users.told(start, message.argument);
        break;
      case "question":
        void this.#answer(start, message.number, message.method, message.argument);
        break;
    }
  }

  close(): void {
    this.#bans.close();
    this.#users.close();
    this.#questions.linkDown();
  }

  async #answer(start: string, number: number, method: string, argument: unknown): Promise<void> {
    const { transport } = this.#options;
    const to = { start };
    try {
      const value = await this.#find(start, method, fieldsOf(argument));
      transport.send(to, { type: "answer", number, value });
    } catch (cause) {
      const error = cause instanceof StarlingError ? cause : new StarlingError("internal");
      const { errorName, message } = error;
      transport.send(to, { type: "refusal", number, error: errorName, message });
    }
  }

  #find(start: string, method: string, fields: Fields): Answer<unknown> {
    const { node } = this.#options;
    switch (method) {
      case "disconnect":
        return node.disconnect(textIn(fields, "app"), targetOf(fields));
      case "take":
        return node.takeUser(textIn(fields, "key"));
      case "bans":
        return this.#bans.page(fields);
      case "room":
        return this.#users.asked(start, fields);
      case "held":
        return node.users.taken(textIn(fields, "key"));
      case "reserve":
      case "look":
      case "answered":
      case "release":
        return this.#keys.answer(start, method, fields);
      default:
        throw new StarlingError("not_found", `nodes know no question ${method}`);
    }
  }

  #changed(): void {
    const { transport, own } = this.#options;
    this.#homes.set([own, ...transport.nodes()]);
    this.#users.retell();
  }
}

function targetOf(fields: Fields): DisconnectTarget {
  return "user" in fields
    ? { user: textIn(fields, "user") }
    : { connection: textIn(fields, "connection") };
}

/** A node of another version may say something else, and then it is not known what it did. */
function readDisconnection(value: unknown): Disconnection {
  try {
    const fields = fieldsOf(value);
    const { isComplete: said } = fields;
    const isComplete = said === true;
    return { connections: countIn(fields, "connections"), unanswered: [], isComplete };
  } catch {
    return { connections: 0, unanswered: [], isComplete: false };
  }
}
