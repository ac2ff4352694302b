import type { Publication } from "./publication.ts";

/** What a publisher sees of a channel. */
export interface ChannelSummary {
  readonly channel: string;
  /** Connections subscribed to the channel. */
  readonly subscribers: number;
}

/** Whom to disconnect: every connection of a user, or one connection by its id. */
export type DisconnectTarget = { readonly user: string } | { readonly connection: string };

/** What the publish API may ask of the hub. */
export interface HubApi {
  /** Delivers to every subscriber; answers how many connections the channel had. */
  publish(publication: Publication): number;
  /** Channels of an app that have at least one subscriber. */
  channels(app: string): Iterable<ChannelSummary>;
  /** Disconnects for good; answers how many connections that were. */
  disconnect(app: string, target: DisconnectTarget): number;
}
