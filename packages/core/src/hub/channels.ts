import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers, whenAnswered } from "../answer.ts";
import type { Broker } from "../broker/broker.ts";
import type { Clock } from "../ports.ts";
import type { StandIn } from "./catch-up.ts";
import { Channel } from "./channel.ts";
import { Expectations } from "./expectations.ts";
import type { AppConfig } from "./namespace.ts";
import { including } from "./one-or-many.ts";
import type { Subscriber, WireFormat } from "./subscriber.ts";

export interface ChannelsOptions {
  readonly clock: Clock;
  readonly broker: Pick<Broker, "caughtUp" | "hasRoomForChannel" | "interest" | "needsIds">;
  readonly apps: ReadonlyMap<string, AppConfig>;
}

/** The channels of one worker, and what its broker knows of them. */
export class Channels {
  readonly #broker: ChannelsOptions["broker"];
  readonly #apps = new Map<string, Map<string, Channel>>();
  readonly #expected: Expectations;

  constructor({ clock, broker, apps }: ChannelsOptions) {
    this.#broker = broker;
    for (const app of apps.keys()) this.#apps.set(app, new Map());
    this.#expected = new Expectations(clock, (app, name) => {
      if (this.get(app, name) === undefined) void broker.interest(app, name, 0);
    });
  }

  /** @throws StarlingError `unknown_app` */
  requireApp(app: string): void {
    this.#of(app);
  }

  /**
   * Whether the app may have this channel.
   *
   * @throws StarlingError `unknown_app` or `app_channels_full`
   */
  requireRoom(app: string, name: string): void {
    if (this.#of(app).has(name) || this.#broker.hasRoomForChannel(app, name)) return;
    throw new StarlingError("app_channels_full");
  }

  /** @throws StarlingError `unknown_app` */
  get(app: string, name: string): Channel | undefined {
    return this.#of(app).get(name);
  }

  /**
   * The channel of that name, which comes to be if it has to; whoever opens it adds somebody at once.
   *
   * @throws StarlingError `unknown_app` or `app_channels_full`
   */
  open(app: string, name: string): Channel {
    const channels = this.#of(app);
    let channel = channels.get(name);
    if (channel !== undefined) return channel;
    this.requireRoom(app, name);
    channel = new Channel(app, name);
    channels.set(name, channel);
    return channel;
  }

  /** Tells the node how many subscribers a channel has; answers as `Broker.interest` does. */
  tell({ app, name, size }: Channel): Answer<void> {
    return this.#broker.interest(app, name, size);
  }

  /** See `Broker.caughtUp`; of channels that nobody here is in nothing has to come. */
  caughtUp(app: string, names: readonly string[]): Answer<void> {
    const known = names.filter((name) => this.get(app, name) !== undefined);
    const answers = known.map((name) => this.#broker.caughtUp(app, name));
    return whenAnswered(allAnswers(answers), () => {});
  }

  /** Tells the other workers of a subscriber that is about to come; see `Hub.expect`. */
  expect(app: string, name: string): Answer<void> {
    // A worker that is alone has nobody to tell.
    if (!this.#broker.needsIds) return;
    // Whoever is expected has its channel, so this is where the limit is looked at.
    this.requireRoom(app, name);
    this.#expected.add(app, name);
    return this.#broker.interest(app, name, this.get(app, name)?.size || 1);
  }

  /** Puts a subscriber into a channel; answers as `Broker.interest` does. */
  join(channel: Channel, subscriber: Subscriber, format: WireFormat): Answer<void> {
    this.#enter(channel, subscriber, format);
    return this.tell(channel);
  }

  /** Puts a subscriber into the place of what stood in for it. */
  replace(standIn: StandIn, subscriber: Subscriber): void {
    standIn.channel.remove(standIn);
    this.#enter(standIn.channel, subscriber, standIn.format);
  }

  /** Takes a subscriber out of a channel, which is no more when nobody is left. */
  leave(channel: Channel, subscriber: Subscriber): void {
    channel.remove(subscriber);
    const { app, name, size } = channel;
    // Those who were taken out of it before may be its last, and another one may have its name.
    if (this.get(app, name) !== channel) return;
    if (size === 0) this.#of(app).delete(name);
    const isExpected = size === 0 && this.#expected.has(app, name);
    void this.#broker.interest(app, name, isExpected ? 1 : size);
  }

  #enter(channel: Channel, subscriber: Subscriber, format: WireFormat): void {
    channel.add(subscriber, format);
    subscriber.channels = including(subscriber.channels, channel);
    this.#expected.meet(channel.app, channel.name);
  }

  #of(app: string): Map<string, Channel> {
    const channels = this.#apps.get(app);
    if (channels === undefined) throw new StarlingError("unknown_app");
    return channels;
  }
}
