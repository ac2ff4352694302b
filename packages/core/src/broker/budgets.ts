import { StarlingError } from "@starling/protocol/errors.ts";
import type { AppConfig } from "../hub/namespace.ts";
import { DeadlineQueue } from "../limits/deadline-queue.ts";
import type { Clock } from "../ports.ts";

/** Milliseconds for which room is kept for a connection that was admitted. */
const GRANT_MS = 10_000;

/** Room for a connection that is not open yet. */
interface Grant<Worker> {
  readonly worker: Worker;
  readonly app: string;
}

/** What one worker has of an app's connections. */
interface Share<Worker> {
  open: number;
  /** In the order of their coming. */
  readonly grants: Set<Grant<Worker>>;
}

/** The connections of all workers, for apps that limit them. */
export class Budgets<Worker> {
  readonly #apps: ReadonlyMap<string, AppConfig>;
  readonly #shares = new Map<string, Map<Worker, Share<Worker>>>();
  readonly #grants: DeadlineQueue<Grant<Worker>>;
  #refused = 0;

  constructor(clock: Clock, apps: ReadonlyMap<string, AppConfig>) {
    this.#apps = apps;
    this.#grants = new DeadlineQueue(clock, GRANT_MS, (grant) => this.#endGrant(grant));
  }

  /** Apps with connections or room, their workers that have these, and the room that is kept. */
  get size(): number {
    let size = this.#grants.size + this.#shares.size;
    for (const shares of this.#shares.values()) size += shares.size;
    return size;
  }

  /** Connections refused. */
  get refused(): number {
    return this.#refused;
  }

  /** @throws StarlingError `too_many_connections` */
  admit(worker: Worker, app: string): void {
    const limit = this.#limit(app);
    if (limit === 0) return;
    if (this.#taken(app) >= limit) {
      this.#refused++;
      throw new StarlingError("too_many_connections");
    }
    const grant = { worker, app };
    this.#share(worker, app).grants.add(grant);
    this.#grants.add(grant);
  }

  /** Uses the oldest room that the worker has, if it has any. */
  opened(worker: Worker, app: string): void {
    if (this.#limit(app) === 0) return;
    const share = this.#share(worker, app);
    share.open++;
    for (const grant of share.grants) {
      share.grants.delete(grant);
      this.#grants.remove(grant);
      break;
    }
  }

  closed(worker: Worker, app: string): void {
    const share = this.#shares.get(app)?.get(worker);
    if (share === undefined) return;
    share.open = Math.max(0, share.open - 1);
    this.#forgetEmpty(worker, app, share);
  }

  forget(worker: Worker): void {
    for (const [app, shares] of this.#shares) {
      for (const grant of shares.get(worker)?.grants ?? []) this.#grants.remove(grant);
      shares.delete(worker);
      if (shares.size === 0) this.#shares.delete(app);
    }
  }

  #endGrant(grant: Grant<Worker>): void {
    const share = this.#shares.get(grant.app)?.get(grant.worker);
    if (share === undefined) return;
    share.grants.delete(grant);
    this.#forgetEmpty(grant.worker, grant.app, share);
  }

  #limit(app: string): number {
    return this.#apps.get(app)?.maxConnections ?? 0;
  }

  #taken(app: string): number {
    let taken = 0;
    for (const { open, grants } of this.#shares.get(app)?.values() ?? []) {
      taken += open + grants.size;
    }
    return taken;
  }

  #share(worker: Worker, app: string): Share<Worker> {
    let shares = this.#shares.get(app);
    if (shares === undefined) {
      shares = new Map();
      this.#shares.set(app, shares);
    }
    let share = shares.get(worker);
    if (share === undefined) {
      share = { open: 0, grants: new Set() };
      shares.set(worker, share);
    }
    return share;
  }

  #forgetEmpty(worker: Worker, app: string, share: Share<Worker>): void {
    if (share.open > 0 || share.grants.size > 0) return;
    const shares = this.#shares.get(app);
    shares?.delete(worker);
    if (shares?.size === 0) this.#shares.delete(app);
  }
}
