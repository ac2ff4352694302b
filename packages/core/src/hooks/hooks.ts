import type { NodeObserver } from "../broker/observer.ts";
import type { Member } from "../hub/member.ts";
import type { HookConfigs } from "./config.ts";
import type { HookCounts } from "./counters.ts";
import type { HookEvent } from "./events.ts";
import { Occupancy } from "./occupancy.ts";
import type { HookSending } from "./sender.ts";
import { HookSenders } from "./senders.ts";

/** Random bytes that name one run of a node in the ids of its events. */
export const RUN_BYTES = 9;

export interface HooksOptions extends HookSending {
  readonly hooks: HookConfigs;
}

/** Tells the servers of operators what an observer of the node hears. */
export class Hooks implements NodeObserver {
  readonly #options: HooksOptions;
  readonly #run: string;
  readonly #occupancy: Occupancy;
  readonly #senders: HookSenders;
  #lastId = 0;

  constructor(options: HooksOptions) {
    const { clock, random, settings, hooks } = options;
    this.#options = options;
    this.#run = random.bytes(RUN_BYTES).toBase64({ alphabet: "base64url" });
    this.#occupancy = new Occupancy({
      clock,
      vacatedMs: settings.vacatedMs,
      occupied: (app, channel) => this.#tell({ type: "occupied", app, channel }),
      vacated: (app, channel) => this.#tell({ type: "vacated", app, channel }),
    });
    this.#senders = new HookSenders(options, hooks);
  }

  /** Changes which hooks there are, as `HookSenders.configure` does. */
  configure(hooks: HookConfigs): void {
    this.#senders.configure(hooks);
  }

  get counts(): readonly HookCounts[] {
    return this.#senders.counts;
  }

  opened(app: string, channel: string): void {
    if (this.#senders.has(app)) this.#occupancy.opened(app, channel);
  }

  closed(app: string, channel: string): void {
    if (this.#senders.has(app)) this.#occupancy.closed(app, channel);
  }

  joined(app: string, channel: string, { connection, clientId, user }: Member): void {
    this.#tell({ type: "join", app, channel, connection, clientId, user });
  }

  left(app: string, channel: string, { connection, clientId, user }: Member): void {
    this.#tell({ type: "leave", app, channel, connection, clientId, user });
  }

  connected(app: string, connection: string, user: string | undefined): void {
    this.#tell({ type: "connect", app, connection, user });
  }

  disconnected(app: string, connection: string, user: string | undefined): void {
    this.#tell({ type: "disconnect", app, connection, user });
  }

  /**
   * The node stops: what waits is tried for as long as the settings allow, and what is left then is
   * counted and logged.
   */
  async drain(): Promise<void> {
    this.#occupancy.flush();
    await this.#senders.drain();
  }

  /** It has the same id in every hook. */
  #tell(event: HookEvent): void {
    this.#senders.tell(event, () => this.#nextId(), this.#options.clock.now());
  }

  #nextId(): string {
    this.#lastId++;
    return `${this.#run}.${this.#lastId}`;
  }
}
