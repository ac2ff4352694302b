import { delay } from "../auth/deadline.ts";
import type { NodeObserver } from "../broker/observer.ts";
import type { Member } from "../hub/member.ts";
import type { HookConfig, HookConfigs } from "./config.ts";
import type { HookCounts } from "./counters.ts";
import { encodeHookEvent, type HookEvent } from "./events.ts";
import { Occupancy } from "./occupancy.ts";
import { HookSender, type HookSending } from "./sender.ts";

/** Random bytes that name one run of a node in the ids of its events. */
const RUN_BYTES = 9;

export interface HooksOptions extends HookSending {
  readonly hooks: HookConfigs;
}

/** Tells the servers of operators what an observer of the node hears. */
export class Hooks implements NodeObserver {
  readonly #options: HooksOptions;
  readonly #run: string;
  readonly #occupancy: Occupancy;
  /** By app. */
  #senders: ReadonlyMap<string, readonly HookSender[]> = new Map();
  /** By app and address. */
  #byAddress: ReadonlyMap<string, HookSender> = new Map();
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
    this.configure(hooks);
  }

  /**
   * Changes which hooks there are. One with the address of a former one of its app goes on with what
   * waits; what waits for others is lost, counted no more, and said in the log.
   */
  configure(hooks: HookConfigs): void {
    const former = new Map(this.#byAddress);
    const byAddress = new Map<string, HookSender>();
    const senders = new Map<string, readonly HookSender[]>();
    for (const [app, configs] of hooks) {
      const ofApp = configs.map((config, place) => {
        const key = JSON.stringify([app, config.url]);
        const sender = this.#sender(former.get(key), app, config, place);
        former.delete(key);
        byAddress.set(key, sender);
        return sender;
      });
      if (ofApp.length > 0) senders.set(app, ofApp);
    }
    this.#senders = senders;
    this.#byAddress = byAddress;
    this.#close([...former.values()], "a hook is no more: the events that waited for it are lost");
  }

  get counts(): readonly HookCounts[] {
    return [...this.#byAddress.values()].map(({ counts }) => counts);
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
    const { clock, settings } = this.#options;
    this.#occupancy.flush();
    const senders = [...this.#byAddress.values()];
    const drained = Promise.all(senders.map((sender) => sender.drain()));
    await Promise.race([drained, delay(settings.drainMs, clock)]);
    this.#close(senders, "the node stops before a hook has taken all events: the rest is lost");
  }

  #sender(
    former: HookSender | undefined,
    app: string,
    config: HookConfig,
    place: number,
  ): HookSender {
    if (former === undefined) return new HookSender(this.#options, app, config, place);
    former.configure(config, place);
    return former;
  }

  #close(senders: readonly HookSender[], message: string): void {
    for (const sender of senders) {
      const events = sender.close();
      const { app, hook } = sender.counts;
      if (events > 0) this.#options.log.warn({ app, hook, events }, message);
    }
  }

  /** An event is encoded once, and only where somebody wants it; it has the same id everywhere. */
  #tell(event: HookEvent): void {
    let text: string | undefined;
    for (const sender of this.#senders.get(event.app) ?? []) {
      if (!sender.wants(event)) continue;
      text ??= encodeHookEvent(event, this.#nextId(), this.#options.clock.now());
      sender.push(text);
    }
  }

  #nextId(): string {
    this.#lastId++;
    return `${this.#run}.${this.#lastId}`;
  }
}
