import type { Answer } from "../answer.ts";
import type { BanPage } from "../bans/ban-list.ts";
import type { DisconnectTarget } from "../hub/api.ts";
import type { ChannelPage, ChannelPageRequest } from "../hub/channel-page.ts";
import type { Member, PresenceStats } from "../hub/member.ts";
import type { Position } from "../hub/position.ts";
import type {
  Cancellation,
  DeliveryKey,
  PresenceEvent,
  Published,
  RateName,
  WorkerId,
} from "./broker.ts";
import type { Disconnection } from "./elsewhere.ts";
import type { HistoryPage, HistoryRequest, Stream } from "./stream.ts";

/** A delivery as the node sees it: what it says is of no interest to it. */
export interface NodeDelivery<Content> {
  readonly app: string;
  readonly channels: readonly string[];
  readonly streams: readonly Stream[];
  /** The publication as this node holds it. */
  readonly publication: Content;
  /** Subscribers that the worker itself has delivered to. */
  readonly reached: number;
  readonly key?: DeliveryKey | undefined;
}

/** How the node reaches one worker; nothing here waits. */
export interface NodeMember<Content> {
  /**
   * A delivery for those of its channels that the worker is interested in. Where `taken` is given,
   * it is to be called once, with whether the worker has taken the delivery over or never will.
   */
  deliver(
    app: string,
    channels: readonly string[],
    publication: Content,
    taken: ((hasTaken: boolean) => void) | undefined,
  ): void;
  /** A publication of a channel that keeps history; the worker may be the publisher. */
  deliverKept(
    app: string,
    channel: string,
    publication: Content,
    position: Position,
    taken: ((hasTaken: boolean) => void) | undefined,
  ): void;
  presence(app: string, channel: string, event: PresenceEvent): void;
  /** Channels that came to be, or are no more, on any worker; only of apps that limit them. */
  channelsChanged(app: string, opened: readonly string[], closed: readonly string[]): void;
  ask(method: string, argument: unknown, cancellation: Cancellation): Answer<unknown>;
}

/**
 * A worker's place in the node; the methods mean what those of `Broker` with the same names do.
 * Generic over how a publication is held: the node of one process passes the object on, the node of
 * several the bytes.
 */
export interface NodeSeat<Content> {
  readonly worker: WorkerId;
  interest(app: string, channel: string, subscribers: number): void;
  publish(delivery: NodeDelivery<Content>): Answer<Published>;
  publishUnanswered(delivery: NodeDelivery<Content>): void;
  history(app: string, channel: string, request: HistoryRequest): HistoryPage<Content>;
  channels(app: string, page: ChannelPageRequest): ChannelPage;
  disconnect(app: string, target: DisconnectTarget): Answer<Disconnection>;
  ban(app: string, user: string, until: number): Answer<void>;
  bans(after: string): Answer<BanPage>;
  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]>;
  release(keys: readonly DeliveryKey[]): void;
  take(rate: RateName, key: string): Answer<number>;
  admit(app: string, user?: string): Answer<void>;
  connectionOpened(app: string): void;
  connectionClosed(app: string): void;
  connected(app: string, connection: string, user: string | undefined): void;
  disconnected(app: string, connection: string): void;
  hasRoomForChannel(app: string, channel: string): boolean;
  /** All channels of an app that limits them, for a worker that mirrors `hasRoomForChannel`. */
  limitedChannels(): ReadonlyMap<string, readonly string[]>;
  present(app: string, channel: string, event: PresenceEvent): void;
  watch(app: string, channel: string): Answer<readonly Member[]>;
  unwatch(app: string, channel: string): void;
  members(app: string, channel: string): Answer<readonly Member[]>;
  presenceStats(app: string, channel: string): Answer<PresenceStats>;
  call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown>;
  gather(method: string, argument: unknown): Promise<readonly unknown[]>;
  /**
   * The worker is gone: its interest, budgets, keys not yet used and watches go, its members leave,
   * questions to it fail. The seat is of no use any more.
   */
  leave(): void;
}
