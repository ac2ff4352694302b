import type { Position } from "../hub/position.ts";
import type { Handovers, Receipt } from "./handovers.ts";
import type { Interests } from "./interests.ts";
import type { NodeCounters } from "./node-counters.ts";
import type { NodeDelivery, NodeMember } from "./seat.ts";

/** A worker to which publications can be routed. */
export interface Routed<Content> {
  readonly member: NodeMember<Content>;
}

/** Hands publications to the workers with subscribers. */
export class Router<Content, Worker extends Routed<Content>> {
  readonly #interests: Interests<Worker>;
  readonly #handovers: Handovers<Worker>;
  readonly #counters: NodeCounters;

  constructor(interests: Interests<Worker>, handovers: Handovers<Worker>, counters: NodeCounters) {
    this.#interests = interests;
    this.#handovers = handovers;
    this.#counters = counters;
  }

  /**
   * Hands a delivery to every other worker that is interested, each once; answers how many
   * subscribers those have. `receipt`, where there is one, waits for them.
   */
  route(publisher: Worker, delivery: NodeDelivery<Content>, receipt: Receipt | undefined): number {
    const { app, channels, publication } = delivery;
    const [first, second] = channels;
    if (first === undefined) return 0;
    if (second !== undefined) return this.#routeSeveral(publisher, delivery, receipt);
    let subscribers = 0;
    for (const interest of this.#interests.of(app, first)) {
      if (interest.worker === publisher) continue;
      // Read before, since a worker may cut a slow subscriber while it delivers.
      subscribers += interest.subscribers;
      this.#hand(interest.worker, app, channels, publication, receipt);
    }
    return subscribers;
  }

  /**
   * Hands a publication that is kept to every worker that is interested; answers how many subscribers those
   * have. The publisher itself is not waited for: it gets its answer after this.
   */
  routeKept(
    publisher: Worker,
    app: string,
    channel: string,
    publication: Content,
    position: Position,
    receipt: Receipt | undefined,
  ): number {
    let subscribers = 0;
    for (const { worker, subscribers: count } of this.#interests.of(app, channel)) {
      subscribers += count;
      this.#counters.handovers++;
      const isWaitedFor = receipt !== undefined && worker !== publisher;
      const taken = isWaitedFor ? this.#handovers.add(worker, receipt) : undefined;
      worker.member.deliverKept(app, channel, publication, position, taken);
    }
    return subscribers;
  }

  /** Subscribers of a channel, on all workers. */
  count(app: string, channel: string): number {
    let subscribers = 0;
    for (const interest of this.#interests.of(app, channel)) subscribers += interest.subscribers;
    return subscribers;
  }

  #routeSeveral(
    publisher: Worker,
    { app, channels, publication }: NodeDelivery<Content>,
    receipt: Receipt | undefined,
  ): number {
    let subscribers = 0;
    const targets = new Map<Worker, string[]>();
    for (const channel of channels) {
      for (const interest of this.#interests.of(app, channel)) {
        if (interest.worker === publisher) continue;
        subscribers += interest.subscribers;
        const names = targets.get(interest.worker);
        if (names === undefined) targets.set(interest.worker, [channel]);
        else names.push(channel);
      }
    }
    for (const [worker, names] of targets) this.#hand(worker, app, names, publication, receipt);
    return subscribers;
  }

  #hand(
    worker: Worker,
    app: string,
    channels: readonly string[],
    publication: Content,
    receipt: Receipt | undefined,
  ): void {
    this.#counters.handovers++;
    const taken = receipt === undefined ? undefined : this.#handovers.add(worker, receipt);
    worker.member.deliver(app, channels, publication, taken);
  }
}
