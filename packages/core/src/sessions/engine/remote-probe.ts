/** Ids that are remembered of one move; whoever receives more meanwhile cannot keep up with it. */
const MAX_IDS = 65_536;

/** The probe of an upgrade whose socket is at another worker, beside the session that it is for. */
export class RemoteProbe {
  /** Names it among all probes of the node. */
  readonly key: string;
  readonly #ids = new Set<number>();
  #description: string | undefined;
  /** Whether the client has stopped polling, and waits for the session to move. */
  isAwaited = false;

  constructor(key: string) {
    this.key = key;
  }

  /** What the other worker follows the session by; undefined while it does not. */
  get description(): string | undefined {
    return this.#description;
  }

  /** Publications that the client gets from here, which the other worker must not send again. */
  get ids(): Iterable<number> {
    return this.#ids;
  }

  /** Whether it does not know of all of them. */
  get isOverfull(): boolean {
    return this.#ids.size >= MAX_IDS;
  }

  /** The other worker is about to follow the session. */
  followedBy(description: string): void {
    this.#description = description;
  }

  /**
   * A publication was delivered to the session. Also before the other worker follows it: over NATS that may get
   * later what is here already.
   */
  remember(id: number): void {
    if (!this.isOverfull) this.#ids.add(id);
  }
}
