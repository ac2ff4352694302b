import { StarlingError } from "@starling/protocol/errors.ts";
import type { DisconnectTarget } from "../hub/api.ts";
import type { AppConfig } from "../hub/namespace.ts";
import { RateLimiter, type RateLimiterOptions } from "../limits/rate-limiter.ts";
import type { Clock, Random } from "../ports.ts";
import type { Cancellation, RateName, WorkerId } from "./broker.ts";
import { Budgets } from "./budgets.ts";
import { Connections } from "./connections.ts";
import { disconnectedBy } from "./disconnecting.ts";
import type { Disconnection, Elsewhere } from "./elsewhere.ts";
import { Handovers } from "./handovers.ts";
import { Histories, type Holding } from "./histories.ts";
import { Interests } from "./interests.ts";
import { DEFAULT_LEASE_MS } from "./lease.ts";
import { NodeBans } from "./node-bans.ts";
import { NodeCounters } from "./node-counters.ts";
import { NodePresence } from "./node-presence.ts";
import { type NodeState, Seat } from "./node-seat.ts";
import { type NodeObserver, nobodyObserves } from "./observer.ts";
import { Questions } from "./questions.ts";
import { Reservations } from "./reservations.ts";
import { Router } from "./router.ts";
import type { NodeMember, NodeSeat } from "./seat.ts";
import { UserBudgets } from "./user-budgets.ts";

/** Bytes that the histories of a node take at most unless it is told otherwise. */
const DEFAULT_HISTORY_BYTES = 64 * 1024 * 1024;
/** Random bytes that name a stream: enough for no two starts to have the same, few since every delivery carries them. */
const EPOCH_BYTES = 6;

export interface NodeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly rates: Readonly<Record<RateName, Omit<RateLimiterOptions, "clock">>>;
  /** Milliseconds for which the answers of deliveries with a key are remembered; 0 = not at all. */
  readonly idempotencyWindowMs: number;
  /** Milliseconds for which a worker may be silent; default 10,000. */
  readonly leaseMs?: number;
  /** Bytes that everything together may take that channels keep; default 64 MiB. */
  readonly historyBytes?: number;
  /** Hears what becomes of channels, members and connections; default: nobody does. */
  readonly observer?: NodeObserver;
}

/**
 * What the workers of one machine share: who is interested in what, who is present, and what must
 * hold for all of them together. It routes publications without looking into them.
 */
export class Node<Content> {
  readonly #state: NodeState<Content>;

  constructor(options: NodeOptions, holding: Holding<Content>) {
    const { clock, random, apps, rates, idempotencyWindowMs } = options;
    const { leaseMs = DEFAULT_LEASE_MS, historyBytes = DEFAULT_HISTORY_BYTES } = options;
    const { observer = nobodyObserves } = options;
    const counters = new NodeCounters();
    const interests = new Interests<Seat<Content>>();
    const handovers = new Handovers<Seat<Content>>(clock);
    const elsewhere: NodeState<Content>["elsewhere"] = { nodes: undefined };
    const users = new UserBudgets<Seat<Content>>(clock, apps, (key, taken) => {
      elsewhere.nodes?.holds(key, taken);
    });
    this.#state = {
      apps,
      seats: new Map(),
      interests,
      handovers,
      router: new Router(interests, handovers, counters),
      reservations: new Reservations({ clock, windowMs: idempotencyWindowMs, leaseMs }),
      rates: {
        user: new RateLimiter({ ...rates.user, clock }),
        address: new RateLimiter({ ...rates.address, clock }),
        api: new RateLimiter({ ...rates.api, clock }),
      },
      budgets: new Budgets(clock, apps),
      users,
      connections: new Connections({
        connected(app, connection, user) {
          users.opened(app, user);
          observer.connected(app, connection, user);
        },
        disconnected(app, connection, user) {
          users.closed(app, user);
          observer.disconnected(app, connection, user);
        },
      }),
      presence: new NodePresence((watcher, app, channel, event) => {
        counters.presenceNews++;
        watcher.member.presence(app, channel, event);
      }, observer),
      observer,
      questions: new Questions(clock),
      bans: new NodeBans({
        clock,
        name: random.bytes(EPOCH_BYTES).toBase64({ alphabet: "base64url" }),
        tell: (bans) => this.#tell("bans", bans),
        said: (ban) => elsewhere.nodes?.said(ban),
      }),
      elsewhere,
      histories: new Histories({
        clock,
        epoch: random.bytes(EPOCH_BYTES).toBase64({ alphabet: "base64url" }),
        maxBytes: historyBytes,
        holding,
      }),
      counters,
    };
  }

  /** @throws RangeError when a worker of that id is present */
  join(member: NodeMember<Content>, worker: WorkerId): NodeSeat<Content> {
    const { seats } = this.#state;
    if (seats.has(worker)) throw new RangeError(`worker ${worker} is in the node already`);
    const seat = new Seat(this.#state, worker, member);
    seats.set(worker, seat);
    return seat;
  }

  /** Ids of the workers that are present. */
  get workers(): WorkerId[] {
    return [...this.#state.seats.keys()];
  }

  /** Asks a worker in the name of the node, as `Broker.call` does in that of a worker. */
  call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    const asked = this.#state.seats.get(worker);
    if (asked === undefined) return Promise.reject(new StarlingError("broker_unavailable"));
    return this.#state.questions.ask(
      undefined,
      asked,
      asked.asking(method, argument),
      cancellation,
    );
  }

  /** Disconnects on all workers of this node, in the name of another one. */
  disconnect(app: string, target: DisconnectTarget): Promise<Disconnection> {
    const { questions, seats } = this.#state;
    return disconnectedBy(questions, undefined, [...seats.values()], { app, target });
  }

  /** Takes one from the rate of a user in the name of another node: 0 when allowed, else the milliseconds to wait. */
  takeUser(key: string): number {
    return this.#state.rates.user.take(key);
  }

  /** The connections of users, where an app limits them. */
  get users(): Pick<UserBudgets<unknown>, "keys" | "taken"> {
    return this.#state.users;
  }

  /** The other nodes of the mesh do their part from now on. */
  joinMesh(nodes: Elsewhere): void {
    this.#state.elsewhere.nodes = nodes;
  }

  /** Who is banned, as far as the node knows. */
  get bans(): Pick<NodeBans, "learn" | "list" | "keepIn"> {
    return this.#state.bans;
  }

  /** Where the members of other nodes are shown. */
  get presence(): Pick<NodePresence<Seat<Content>>, "join" | "show" | "hide"> {
    return this.#state.presence;
  }

  get counters(): Readonly<NodeCounters> {
    return this.#state.counters;
  }

  /** Workers that take nothing over at this moment. */
  get laggingWorkers(): number {
    return this.#state.handovers.lagging;
  }

  /** How often a worker began to lag. */
  get handoversTimedOut(): number {
    return this.#state.handovers.timedOut;
  }

  /** Takes refused, and takes allowed without being remembered, of a rate. */
  rate(name: RateName): { readonly refused: number; readonly untracked: number } {
    return this.#state.rates[name];
  }

  /** Connections refused because an app had as many as it may have. */
  get connectionsRefused(): number {
    return this.#state.budgets.refused;
  }

  /** Answers of deliveries with a key that were forgotten before their time. */
  get idempotencyForgottenEarly(): number {
    return this.#state.reservations.forgottenEarly;
  }

  /** Calls refused because too many idempotency keys were in use. */
  get reservationsRefused(): number {
    return this.#state.reservations.refused;
  }

  /** What channels keep, and where the stream stands: as many publications have been kept so far. */
  get history(): Pick<Histories<Content>, "bytes" | "channels" | "evicted" | "position"> {
    return this.#state.histories;
  }

  /** Entries held for workers, of any kind; 0 once all have left and nothing is under way. */
  get held(): number {
    const { seats, interests, handovers, reservations, budgets, users, connections } = this.#state;
    const { presence, questions } = this.#state;
    const parts = [seats, interests, handovers, reservations, budgets, users, connections];
    return [...parts, presence, questions].reduce((sum, { size }) => sum + size, 0);
  }

  /** Tells all workers; one that does not hear it finds out when it is told that it has missed something. */
  #tell(method: string, argument: unknown): void {
    for (const worker of this.workers) this.call(worker, method, argument).catch(() => {});
  }
}
