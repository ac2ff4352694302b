import { delay } from "../auth/deadline.ts";
import type { HookConfig, HookConfigs } from "./config.ts";
import type { HookCounts } from "./counters.ts";
import { encodeHookEvent, type HookEvent, type HookEventType } from "./events.ts";
import { HookSender, type HookSending } from "./sender.ts";

/** The hooks of all apps, as something that events are given to. */
export class HookSenders {
  readonly #sending: HookSending;
  /** By app. */
  #senders: ReadonlyMap<string, readonly HookSender[]> = new Map();
  /** By app and address. */
  #byAddress: ReadonlyMap<string, HookSender> = new Map();
  #isPaused = false;

  constructor(sending: HookSending, hooks: HookConfigs) {
    this.#sending = sending;
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

  /** Whether the app has a hook at all. */
  has(app: string): boolean {
    return this.#senders.has(app);
  }

  /** Whether any hook of the app is for such events, in some channels at least. */
  wants(app: string, type: HookEventType): boolean {
    return (this.#senders.get(app) ?? []).some((sender) => sender.isFor(type));
  }

  /**
   * Queues an event, which is encoded once, and only where somebody wants it.
   *
   * @param settled is called when every hook that wants it has it, or will never have it; at once where none does
   */
  tell(event: HookEvent, id: () => string, time: number, settled?: () => void): void {
    const wanting = (this.#senders.get(event.app) ?? []).filter((sender) => sender.wants(event));
    if (wanting.length === 0) {
      settled?.();
      return;
    }
    const text = encodeHookEvent(event, id(), time);
    let left = wanting.length;
    const isSettled = settled && (() => --left === 0 && settled());
    for (const sender of wanting) sender.push(text, isSettled);
  }

  /** Whether no request is begun; one that is under way ends. */
  pause(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    for (const sender of this.#byAddress.values()) sender.pause(isPaused);
  }

  /** Somebody else sends what waits. */
  clear(): void {
    for (const sender of this.#byAddress.values()) sender.clear();
  }

  /** Resolves when no request is under way; none is begun meanwhile where senders are paused. */
  async idle(): Promise<void> {
    await Promise.all([...this.#byAddress.values()].map((sender) => sender.idle()));
  }

  /** Sends what waits for as long as the settings allow; what is left then is counted and logged. */
  async drain(): Promise<void> {
    const { clock, settings } = this.#sending;
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
    if (former === undefined) {
      const sender = new HookSender(this.#sending, app, config, place);
      sender.pause(this.#isPaused);
      return sender;
    }
    former.configure(config, place);
    return former;
  }

  #close(senders: readonly HookSender[], message: string): void {
    for (const sender of senders) {
      const events = sender.close();
      const { app, hook } = sender.counts;
      if (events > 0) this.#sending.log.warn({ app, hook, events }, message);
    }
  }
}
