/** A connection that at least one worker has. */
interface Held {
  readonly app: string;
  readonly connection: string;
  readonly user: string | undefined;
  /** How often it is held, by all workers together. */
  count: number;
}

export type TellConnection = (app: string, connection: string, user: string | undefined) => void;

export interface ConnectionsOptions {
  readonly connected: TellConnection;
  readonly disconnected: TellConnection;
}

/**
 * The connections that workers tell of by their ids.
 *
 * One that moves is held by two workers for a while, and twice by the one that it moves to: it is
 * connected as long as it is held at all.
 */
export class Connections<Worker> {
  readonly #options: ConnectionsOptions;
  readonly #apps = new Map<string, Map<string, Held>>();
  readonly #ofWorkers = new Map<Worker, Map<Held, number>>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Connections, and the apps and workers that they are kept by. */
  get size(): number {
    let size = this.#apps.size + this.#ofWorkers.size;
    for (const held of this.#apps.values()) size += held.size;
    return size;
  }

  opened(worker: Worker, app: string, connection: string, user: string | undefined): void {
    const all = this.#of(app);
    let held = all.get(connection);
    const isNew = held === undefined;
    held ??= { app, connection, user, count: 0 };
    if (isNew) all.set(connection, held);
    held.count++;
    let own = this.#ofWorkers.get(worker);
    if (own === undefined) {
      own = new Map();
      this.#ofWorkers.set(worker, own);
    }
    own.set(held, (own.get(held) ?? 0) + 1);
    if (isNew) this.#options.connected(app, connection, user);
  }

  /** What the worker does not hold is left alone. */
  closed(worker: Worker, app: string, connection: string): void {
    const held = this.#apps.get(app)?.get(connection);
    const own = this.#ofWorkers.get(worker);
    const count = held === undefined ? 0 : (own?.get(held) ?? 0);
    if (held === undefined || own === undefined || count === 0) return;
    if (count > 1) own.set(held, count - 1);
    else own.delete(held);
    if (own.size === 0) this.#ofWorkers.delete(worker);
    this.#release(held, 1);
  }

  forget(worker: Worker): void {
    const own = this.#ofWorkers.get(worker);
    this.#ofWorkers.delete(worker);
    for (const [held, count] of own ?? []) this.#release(held, count);
  }

  #release(held: Held, count: number): void {
    held.count -= count;
    if (held.count > 0) return;
    const { app, connection, user } = held;
    const all = this.#apps.get(app);
    all?.delete(connection);
    if (all?.size === 0) this.#apps.delete(app);
    this.#options.disconnected(app, connection, user);
  }

  #of(app: string): Map<string, Held> {
    let all = this.#apps.get(app);
    if (all === undefined) {
      all = new Map();
      this.#apps.set(app, all);
    }
    return all;
  }
}
