import type { Answer } from "../answer.ts";
import type { Ban } from "../bans/ban.ts";
import type { DeliveryKey, Published } from "../broker/broker.ts";
import type { Disconnection } from "../broker/elsewhere.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import type { ChannelPage, ChannelPageRequest } from "./channel-page.ts";
import type { Publication } from "./publication.ts";

/** What a publisher sees of a channel. */
export interface ChannelSummary {
  readonly channel: string;
  /** Connections subscribed to the channel, on all workers. */
  readonly subscribers: number;
}

/** Whom to disconnect: every connection of a user, or one connection by its id. */
export type DisconnectTarget = { readonly user: string } | { readonly connection: string };

/** What the publish API may ask of the hub; it speaks for all workers of the node. */
export interface HubApi {
  /**
   * Delivers to every subscriber of each of the channels, which are different ones; the first is the
   * publication's own. Answers how many connections they had together, and its places. `key` is one that the broker
   * has given to this worker.
   */
  broadcast(
    publication: Publication,
    channels: readonly string[],
    key?: DeliveryKey,
  ): Answer<Published>;
  /** A page of what a channel keeps; nothing where it keeps none. */
  history(app: string, channel: string, request: HistoryRequest): Answer<HistoryPage<Publication>>;
  /** Channels of an app that have at least one subscriber, a page of them. */
  channels(app: string, page: ChannelPageRequest): Answer<ChannelPage>;
  /** Disconnects for good, on all nodes. */
  disconnect(app: string, target: DisconnectTarget): Answer<Disconnection>;
  /**
   * Bans a user on all nodes until a moment, ms since the epoch, or lifts the ban with 0.
   *
   * @throws StarlingError `too_many_bans`
   */
  ban(app: string, user: string, until: number): Answer<void>;
  /** Bans of an app that are in force, those that end first before the others. */
  bans(app: string): readonly Ban[];
}
