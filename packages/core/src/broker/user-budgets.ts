import { StarlingError } from "@starling/protocol/errors.ts";
import type { AppConfig } from "../hub/namespace.ts";
import { userKey } from "../hub/user-key.ts";
import { DeadlineQueue } from "../limits/deadline-queue.ts";
import type { Clock } from "../ports.ts";

/** Milliseconds for which room is kept for a connection that was admitted. */
const GRANT_MS = 10_000;

/** What a user has of the connections of an app. */
interface Taken<Worker> {
  readonly key: string;
  open: number;
  /** Room for connections that are not open yet, in the order of their coming. */
  readonly grants: Set<Grant<Worker>>;
}

interface Grant<Worker> {
  readonly worker: Worker;
  readonly taken: Taken<Worker>;
}

/** Is told how many a user has, open or about to be, whenever that changes by itself. */
export type TellTaken = (key: string, taken: number) => void;

/** The connections of each user on all workers of a node, for apps that limit them. */
export class UserBudgets<Worker> {
  readonly #apps: ReadonlyMap<string, AppConfig>;
  readonly #tell: TellTaken;
  readonly #users = new Map<string, Taken<Worker>>();
  readonly #ofWorkers = new Map<Worker, Set<Grant<Worker>>>();
  readonly #grants: DeadlineQueue<Grant<Worker>>;

  constructor(clock: Clock, apps: ReadonlyMap<string, AppConfig>, tell: TellTaken) {
    this.#apps = apps;
    this.#tell = tell;
    this.#grants = new DeadlineQueue(clock, GRANT_MS, (grant) => this.#end(grant, true));
  }

  /** Users with connections or room, the room that is kept, and the workers that it is kept for. */
  get size(): number {
    return this.#users.size + this.#grants.size + this.#ofWorkers.size;
  }

  /** Connections that one user of the app may have; 0 = no limit. */
  limit(app: string): number {
    return this.#apps.get(app)?.maxConnectionsPerUser ?? 0;
  }

  /**
   * Keeps room for one connection more; answers how many the user then has here.
   *
   * @throws StarlingError `too_many_user_connections`
   */
  admit(worker: Worker, app: string, user: string): number {
    const taken = this.#of(userKey(app, user));
    if (countOf(taken) >= this.limit(app)) throw new StarlingError("too_many_user_connections");
    const grant = { worker, taken };
    taken.grants.add(grant);
    this.#grants.add(grant);
    const own = this.#ofWorkers.get(worker);
    if (own === undefined) this.#ofWorkers.set(worker, new Set([grant]));
    else own.add(grant);
    return countOf(taken);
  }

  /** The worker is gone, and uses no room. */
  forget(worker: Worker): void {
    for (const grant of [...(this.#ofWorkers.get(worker) ?? [])]) this.#end(grant, true);
  }

  /** The room that the worker had last is not used. */
  giveBack(worker: Worker, app: string, user: string): void {
    const all = this.#users.get(userKey(app, user))?.grants ?? [];
    const last = [...all].findLast((grant) => grant.worker === worker);
    if (last !== undefined) this.#end(last, true);
  }

  /** Uses the oldest room that the user has, if there is any. */
  opened(app: string, user: string | undefined): void {
    if (user === undefined || this.limit(app) === 0) return;
    const taken = this.#of(userKey(app, user));
    taken.open++;
    const [grant] = taken.grants;
    if (grant === undefined) this.#tell(taken.key, countOf(taken));
    else this.#end(grant, false);
  }

  closed(app: string, user: string | undefined): void {
    if (user === undefined) return;
    const taken = this.#users.get(userKey(app, user));
    if (taken === undefined) return;
    taken.open = Math.max(0, taken.open - 1);
    this.#changed(taken);
  }

  /** How many a user has, open or about to be. */
  taken(key: string): number {
    const taken = this.#users.get(key);
    return taken === undefined ? 0 : countOf(taken);
  }

  /** The keys of all users who have any. */
  keys(): readonly string[] {
    return [...this.#users.keys()];
  }

  #end(grant: Grant<Worker>, isUnused: boolean): void {
    const { worker, taken } = grant;
    this.#grants.remove(grant);
    const own = this.#ofWorkers.get(worker);
    own?.delete(grant);
    if (own?.size === 0) this.#ofWorkers.delete(worker);
    if (taken.grants.delete(grant) && isUnused) this.#changed(taken);
  }

  #changed(taken: Taken<Worker>): void {
    const count = countOf(taken);
    if (count === 0) this.#users.delete(taken.key);
    this.#tell(taken.key, count);
  }

  #of(key: string): Taken<Worker> {
    let taken = this.#users.get(key);
    if (taken === undefined) {
      taken = { key, open: 0, grants: new Set() };
      this.#users.set(key, taken);
    }
    return taken;
  }
}

function countOf({ open, grants }: Taken<unknown>): number {
  return open + grants.size;
}
