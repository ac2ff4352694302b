import type { Broker, Delivery, DeliveryKey } from "../broker/broker.ts";
import type { Stream } from "../broker/stream.ts";
import type { Channels } from "./channels.ts";
import type { Counters } from "./counters.ts";
import { type AppConfig, type NamespaceConfig, optionsOf } from "./namespace.ts";
import { Outlet, type OutletOptions } from "./outlet.ts";
import { idAt } from "./place-id.ts";
import { type Position, positionText } from "./position.ts";
import type { Publication } from "./publication.ts";
import type { Recoveries } from "./recoveries.ts";
import type { Frame, Subscriber, WireFormat } from "./subscriber.ts";

export interface PublishingOptions extends OutletOptions {
  readonly broker: Pick<
    Broker,
    "cursorsUpTo" | "isDelivered" | "isOrdered" | "needsIds" | "nextId"
  >;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly counters: Counters;
  readonly channels: Channels;
  readonly recoveries: Recoveries;
}

/** The streams of what is published in no channel with history. */
const NONE: readonly Stream[] = [];

/**
 * Brings publications to the subscribers of one worker: its own at once where the channel keeps no
 * history, all others when the broker brings them.
 */
export class Publishing {
  readonly #options: PublishingOptions;
  readonly #outlet: Outlet;
  /** Connections that have published where the broker brings everybody's own publications back. */
  readonly #senders = new Map<string, Subscriber>();
  /** Where the last stands that the broker brought, if it brings them in order. */
  #newest: Position | undefined;

  constructor(options: PublishingOptions) {
    this.#options = options;
    this.#outlet = new Outlet(options);
  }

  /** Delivers here, and answers what the broker is to be told. */
  begin(
    publication: Publication,
    channels: readonly string[],
    except: Subscriber | undefined,
    key?: DeliveryKey,
  ): Delivery {
    const { app } = publication;
    const { apps, counters, broker } = this.#options;
    if (broker.needsIds) publication.id = broker.nextId();
    // What its own subscribers have had in an earlier attempt they do not get again.
    const isRepeated = key !== undefined && broker.isDelivered(key);
    let reached = 0;
    let streams: Stream[] | undefined;
    for (const channel of channels) {
      counters.publications++;
      const options = optionsOf(apps, app, channel);
      if (options.history === undefined) {
        const said = channel === publication.channel ? publication : { ...publication, channel };
        if (!isRepeated) reached += this.#deliver(said, options, except);
      } else {
        streams ??= [];
        streams.push({ channel, ...options.history });
      }
    }
    if (streams === undefined) {
      return { app, channels, streams: NONE, publication, reached, key };
    }
    if (except !== undefined) {
      publication.sender = except.id;
      // Whoever is not registered, or not any more, would be remembered for ever.
      if (except.bagIndex >= 0) this.#senders.set(except.id, except);
    }
    return { app, channels: withoutThoseOf(streams, channels), streams, publication, reached, key };
  }

  /** No cursor of what was delivered here names a number of that stream behind this one. */
  deliveredUpTo(app: string, epoch: string): number {
    const { broker } = this.#options;
    // Who does not say has nobody believed.
    if (!broker.isOrdered) return broker.cursorsUpTo?.(app, epoch) ?? Infinity;
    return this.#newest?.epoch === epoch ? this.#newest.offset : 0;
  }

  /** What the broker brings. */
  delivered(publication: Publication): void {
    const { app, channel, position, sender } = publication;
    const { apps, recoveries, broker } = this.#options;
    if (position !== undefined) this.#newest = position;
    const options = optionsOf(apps, app, channel);
    if (position !== undefined && options.recover === true) {
      const known = broker.isOrdered ? undefined : publication.cursor;
      publication.cursor = known ?? positionText(position);
    }
    if (broker.needsIds && position !== undefined) publication.id = idAt(position);
    const except = sender === undefined ? undefined : this.#senders.get(sender);
    const standIn = except && recoveries.standIn(except, channel);
    this.#deliver(publication, options, standIn ?? except);
  }

  /** Hands a frame of one protocol to its subscribers in a channel; see `Hub.relay`. */
  relay(
    app: string,
    name: string,
    format: WireFormat,
    frame: Frame,
    except: Subscriber | undefined,
    isReplaced: boolean,
  ): void {
    const { apps, channels } = this.#options;
    const group = channels.get(app, name)?.group(format);
    if (group === undefined) return;
    const { volatile } = optionsOf(apps, app, name);
    const reliability = !volatile ? "reliable" : isReplaced ? "unreliable" : "volatile";
    this.#outlet.hand(group, [frame], reliability, except);
  }

  /** Connections that are remembered as senders; none once they have gone. */
  get senders(): number {
    return this.#senders.size;
  }

  /** A connection is no more. */
  forget(subscriber: Subscriber): void {
    this.#senders.delete(subscriber.id);
  }

  /** Delivers to the worker's own subscribers; answers how many that were. */
  #deliver(
    publication: Publication,
    { volatile }: NamespaceConfig,
    except: Subscriber | undefined,
  ): number {
    const { channels, counters } = this.#options;
    const channel = channels.get(publication.app, publication.channel);
    if (channel === undefined) return 0;
    const reliability = volatile ? "unreliable" : "reliable";
    let reached = 0;
    for (const group of channel.groups) {
      const frames = group.format.encode(publication);
      if (frames.length === 0) continue;
      reached += this.#outlet.hand(group, frames, reliability, except, publication);
    }
    counters.deliveries += reached;
    return reached;
  }
}

function withoutThoseOf(
  streams: readonly Stream[],
  channels: readonly string[],
): readonly string[] {
  if (streams.length === channels.length) return [];
  const kept = new Set(streams.map(({ channel }) => channel));
  return channels.filter((channel) => !kept.has(channel));
}
