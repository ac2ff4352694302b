import { type Answer, allAnswers, whenAnswered } from "../answer.ts";
import type { Broker } from "../broker/broker.ts";
import type { Clock } from "../ports.ts";
import { StandIn } from "./catch-up.ts";
import type { Channel } from "./channel.ts";
import type { Publication } from "./publication.ts";
import { type Beginning, type Begun, Recovery } from "./recovery.ts";
import type { Subscriber, WireFormat } from "./subscriber.ts";

/** How a connection wants to be subscribed. */
export interface BeginOptions {
  /** What it is told in these channels; its own format unless it says otherwise. */
  readonly format?: WireFormat;
  /** Whether it said that itself, and is not to hear it; default: it has said nothing. */
  isOwn?(publication: Publication): boolean;
  /** Called once, when it is subscribed, before anything of the history is sent. */
  begun(channels: readonly Begun[]): void;
}

export interface RecoveriesOptions {
  readonly broker: Pick<Broker, "history" | "interest">;
  readonly clock: Clock;
  /** Bytes that may be kept for one subscriber and channel meanwhile. */
  readonly maxBytes: number;
  /** The channel of that name, which comes to be if it has to. @throws StarlingError */
  channel(app: string, name: string): Channel;
  /** Takes a stand-in out of its channel. */
  leave(standIn: StandIn): void;
  /** Puts the subscriber into the place of its stand-in. */
  goLive(standIn: StandIn, subscriber: Subscriber): void;
}

/** Subscribers that are getting what they missed. */
export class Recoveries {
  readonly #options: RecoveriesOptions;
  readonly #underWay = new Map<Subscriber, Set<Recovery>>();

  constructor(options: RecoveriesOptions) {
    this.#options = options;
  }

  /** Channels that a subscriber is about to have. */
  count(subscriber: Subscriber): number {
    let count = 0;
    for (const { channels } of this.#underWay.get(subscriber) ?? []) count += channels.length;
    return count;
  }

  /** Gives up the recovery that a channel belongs to; answers whether there was one. */
  cancel(subscriber: Subscriber, channel: string): boolean {
    for (const recovery of this.#underWay.get(subscriber) ?? []) {
      if (!recovery.channels.includes(channel)) continue;
      recovery.cancel();
      return true;
    }
    return false;
  }

  cancelAll(subscriber: Subscriber): void {
    for (const recovery of this.#underWay.get(subscriber) ?? []) recovery.cancel();
  }

  /** @throws StarlingError `app_channels_full`; rejected as `Recovery.run` is */
  start(
    subscriber: Subscriber,
    beginnings: readonly Beginning[],
    { format = subscriber.format, isOwn = () => false, begun }: BeginOptions,
  ): Answer<void> {
    const { broker, clock, maxBytes, goLive } = this.#options;
    const standIns = new Set<StandIn>();
    const leave = () => {
      for (const standIn of standIns) this.#options.leave(standIn);
      standIns.clear();
    };
    try {
      for (const { channel: name } of beginnings) {
        const channel = this.#options.channel(subscriber.app, name);
        const standIn = new StandIn(subscriber, channel, format, maxBytes);
        channel.add(standIn, format);
        standIns.add(standIn);
      }
      const recovery = new Recovery({
        broker,
        clock,
        subscriber,
        standIns: [...standIns],
        beginnings,
        isOwn,
        begun,
        goLive() {
          for (const standIn of standIns) goLive(standIn, subscriber);
          standIns.clear();
        },
      });
      this.#add(subscriber, recovery);
      return this.#run(subscriber, recovery, [...standIns], leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  #run(
    subscriber: Subscriber,
    recovery: Recovery,
    standIns: readonly StandIn[],
    leave: () => void,
  ): Answer<void> {
    const end = () => {
      leave();
      this.#remove(subscriber, recovery);
    };
    const { broker } = this.#options;
    try {
      const known = standIns.map(({ channel: { app, name, size } }) =>
        broker.interest(app, name, size),
      );
      const done = whenAnswered(allAnswers(known), () => recovery.run());
      if (done instanceof Promise) return done.finally(end);
    } catch (error) {
      end();
      throw error;
    }
    end();
  }

  #add(subscriber: Subscriber, recovery: Recovery): void {
    const recoveries = this.#underWay.get(subscriber);
    if (recoveries === undefined) this.#underWay.set(subscriber, new Set([recovery]));
    else recoveries.add(recovery);
  }

  #remove(subscriber: Subscriber, recovery: Recovery): void {
    const recoveries = this.#underWay.get(subscriber);
    if (recoveries?.delete(recovery) === true && recoveries.size === 0) {
      this.#underWay.delete(subscriber);
    }
  }
}
