import type { Answer } from "../answer.ts";
import type { BanPage } from "../bans/ban-list.ts";
import type { DisconnectTarget } from "../hub/api.ts";
import type { ChannelPage, ChannelPageRequest } from "../hub/channel-page.ts";
import type { Member, PresenceStats } from "../hub/member.ts";
import type { Position } from "../hub/position.ts";
import type { Publication } from "../hub/publication.ts";
import type {
  Broker,
  BrokerHandler,
  Cancellation,
  Delivery,
  DeliveryKey,
  PresenceEvent,
  Published,
  RateName,
  WorkerId,
} from "./broker.ts";
import type { Disconnection } from "./elsewhere.ts";
import type { Node } from "./node.ts";
import { PublicationIds } from "./publication-ids.ts";
import type { NodeMember, NodeSeat } from "./seat.ts";
import type { HistoryPage, HistoryRequest } from "./stream.ts";

export interface LocalBrokerOptions {
  /** Whether no session ever moves between workers, so that nothing needs an id; default `false`. */
  readonly isAlone?: boolean;
}

/** The broker of a worker in the process of its node: whatever it can say, it says at once. */
export class LocalBroker implements Broker {
  readonly worker: WorkerId;
  readonly needsIds: boolean;
  readonly isOrdered: boolean = true;
  readonly #ids: PublicationIds;
  readonly #seat: NodeSeat<Publication>;

  constructor(
    node: Node<Publication>,
    worker: WorkerId,
    handler: BrokerHandler,
    { isAlone = false }: LocalBrokerOptions = {},
  ) {
    this.worker = worker;
    this.needsIds = !isAlone;
    this.#ids = new PublicationIds(worker);
    this.#seat = node.join(memberOf(handler), worker);
  }

  interest(app: string, channel: string, subscribers: number): void {
    this.#seat.interest(app, channel, subscribers);
  }

  /** What comes over the node comes to all in one order. */
  caughtUp(): void {}

  nextId(): number {
    return this.#ids.next();
  }

  publish(delivery: Delivery): Answer<Published> {
    return this.#seat.publish(delivery);
  }

  publishUnanswered(delivery: Delivery): void {
    this.#seat.publishUnanswered(delivery);
  }

  history(app: string, channel: string, request: HistoryRequest): HistoryPage<Publication> {
    const page = this.#seat.history(app, channel, request);
    const { epoch } = page.position;
    const entries = page.entries.map(({ offset, time, content }) => {
      return { offset, time, content: kept(content, channel, { epoch, offset }) };
    });
    return { ...page, entries };
  }

  channels(app: string, page: ChannelPageRequest): ChannelPage {
    return this.#seat.channels(app, page);
  }

  disconnect(app: string, target: DisconnectTarget): Answer<Disconnection> {
    return this.#seat.disconnect(app, target);
  }

  ban(app: string, user: string, until: number): Answer<void> {
    return this.#seat.ban(app, user, until);
  }

  bans(after: string): Answer<BanPage> {
    return this.#seat.bans(after);
  }

  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]> {
    return this.#seat.reserve(keys);
  }

  release(keys: readonly DeliveryKey[]): void {
    this.#seat.release(keys);
  }

  /** The node has a delivery as a whole or not at all. */
  isDelivered(): boolean {
    return false;
  }

  take(rate: RateName, key: string): Answer<number> {
    return this.#seat.take(rate, key);
  }

  admit(app: string, user?: string): Answer<void> {
    return this.#seat.admit(app, user);
  }

  connectionOpened(app: string): void {
    this.#seat.connectionOpened(app);
  }

  connectionClosed(app: string): void {
    this.#seat.connectionClosed(app);
  }

  connected(app: string, connection: string, user: string | undefined): void {
    this.#seat.connected(app, connection, user);
  }

  disconnected(app: string, connection: string): void {
    this.#seat.disconnected(app, connection);
  }

  hasRoomForChannel(app: string, channel: string): boolean {
    return this.#seat.hasRoomForChannel(app, channel);
  }

  present(app: string, channel: string, event: PresenceEvent): void {
    this.#seat.present(app, channel, event);
  }

  watch(app: string, channel: string): Answer<readonly Member[]> {
    return this.#seat.watch(app, channel);
  }

  unwatch(app: string, channel: string): void {
    this.#seat.unwatch(app, channel);
  }

  members(app: string, channel: string): Answer<readonly Member[]> {
    return this.#seat.members(app, channel);
  }

  presenceStats(app: string, channel: string): Answer<PresenceStats> {
    return this.#seat.presenceStats(app, channel);
  }

  call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    return this.#seat.call(worker, method, argument, cancellation);
  }

  gather(method: string, argument: unknown): Promise<readonly unknown[]> {
    return this.#seat.gather(method, argument);
  }

  /** The worker leaves its node, and the broker is of no use any more. */
  leave(): void {
    this.#seat.leave();
  }
}

function memberOf(handler: BrokerHandler): NodeMember<Publication> {
  return {
    deliver(_app, channels, publication, taken) {
      for (const channel of channels) {
        const isOwn = channel === publication.channel;
        handler.delivered(isOwn ? publication : copyIn(channel, publication));
      }
      taken?.(true);
    },
    deliverKept(_app, channel, publication, position, taken) {
      handler.delivered(kept(publication, channel, position));
      taken?.(true);
    },
    presence(app, channel, event) {
      // Members change, and each worker has its own.
      const isJoin = event.type === "join";
      handler.presence(app, channel, isJoin ? { ...event, member: { ...event.member } } : event);
    },
    // The node itself is asked for room.
    channelsChanged() {},
    ask: (method, argument, cancellation) => handler.answer(method, argument, cancellation),
  };
}

/** The publication of one channel at its place; one that stands in several is another in each. */
function kept(publication: Publication, channel: string, position: Position): Publication {
  const own = publication.channel === channel ? publication : copyIn(channel, publication);
  own.position = position;
  return own;
}

/** The same in another channel, where it has another place or none. */
function copyIn(channel: string, publication: Publication): Publication {
  return { ...publication, channel, position: undefined, cursor: undefined };
}
