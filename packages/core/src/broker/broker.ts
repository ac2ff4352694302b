import type { Answer } from "../answer.ts";
import type { BanPage } from "../bans/ban-list.ts";
import type { DisconnectTarget } from "../hub/api.ts";
import type { ChannelPage, ChannelPageRequest } from "../hub/channel-page.ts";
import type { Member, PresenceStats } from "../hub/member.ts";
import type { Position } from "../hub/position.ts";
import type { Publication } from "../hub/publication.ts";
import type { Disconnection } from "./elsewhere.ts";
import type { HistoryPage, HistoryRequest, Stream } from "./stream.ts";

/** A number that names a worker, unique among all that its node ever had. */
export type WorkerId = number;

/** The key under which a publisher's delivery is made once. */
export interface DeliveryKey {
  /** Caller, app and key, so that equal keys of others are other keys. */
  readonly key: string;
  /** Stands for the whole request: equal requests have equal ones. */
  readonly fingerprint: string;
}

/**
 * What one delivery says to each of its channels. The hub that publishes has delivered its part where the
 * channel keeps no history.
 */
export interface Delivery {
  readonly app: string;
  /** Those without history, each once; this worker has delivered in them. */
  readonly channels: readonly string[];
  /** Those with history, each once; nobody has delivered in them yet. */
  readonly streams: readonly Stream[];
  /** The content for every channel; its own `channel` is one of them. */
  readonly publication: Publication;
  /** Subscribers in `channels`, together, that this worker has delivered to. */
  readonly reached: number;
  /** A key that `reserve` gave to this worker; with the delivery it is used up. */
  readonly key?: DeliveryKey | undefined;
}

/** What became of a delivery. */
export interface Published {
  /** Subscribers in all of its channels, on all workers together. */
  readonly subscribers: number;
  /** Where the publication stands in the history of each of `streams`, in their order. */
  readonly positions: readonly Position[];
}

/** One thing that became of a member; `state` and `payload` are opaque MessagePack. */
export type PresenceEvent =
  /** Is present from now on, and not yet announced; also replaces what was known of it. */
  | { readonly type: "join"; readonly member: Member }
  /** Says that it is there; the others are to hear of it. */
  | { readonly type: "online"; readonly connection: string; readonly payload?: Uint8Array }
  /** Has a new state, and perhaps a new name. */
  | {
      readonly type: "state";
      readonly connection: string;
      readonly clientId: string;
      readonly state: Uint8Array;
    }
  /** Has a new name, of which nobody is told. */
  | { readonly type: "rename"; readonly connection: string; readonly clientId: string }
  | { readonly type: "leave"; readonly connection: string };

/** Which of the node's rate limits. */
export type RateName = "user" | "address" | "api";

/** Says that nobody waits for an answer any more. */
export interface Cancellation {
  readonly isCancelled: boolean;
  /** Calls back once, at once where it is cancelled already. */
  onCancel(callback: () => void): void;
}

/** Whether something is about a channel. */
export type Concerns = (app: string, channel: string) => boolean;

/** What a worker does for the broker that it belongs to. */
export interface BrokerHandler {
  /**
   * A publication for one channel, with its `id`: of another worker, or of any worker where the channel keeps
   * history, and then with its `position`.
   */
  delivered(publication: Publication): void;
  /** News of a member of another worker, in a channel that is watched. */
  presence(app: string, channel: string, event: PresenceEvent): void;
  /**
   * Publications for this worker may have been lost, in the channels that `concerns` names; where there is
   * none in all, and news of members as well. Interest, presence and watches are in order again by
   * themselves; subscribers have to be told.
   */
  missed(concerns?: Concerns): void;
  /**
   * A question of another worker, or of the node. Both sides are of one version; what they agreed
   * on for `method` is theirs; an argument is anything that MessagePack can say.
   *
   * @throws StarlingError which the asker is then given
   */
  answer(method: string, argument: unknown, cancellation: Cancellation): Answer<unknown>;
}

/**
 * One worker's part of the broker, which carries publications, presence and what must hold for all
 * workers of a node together. A worker has delivered to its own subscribers before it publishes.
 *
 * Guarantees, of every implementation:
 *
 * - **Interest.** A worker gets the publications of channels that it has told interest in, from the
 *   moment at which the node took note; its own only where the channel keeps history.
 * - **History.** What is published in a channel that keeps history is kept and numbered first, then handed
 *   to every worker that is interested, the publisher's own as well: all get it in the order of the
 *   numbers, in each channel at least (`isOrdered`).
 * - **Order.** What one worker publishes in one channel arrives at every other worker in that
 *   order. When `publish` has settled, whatever is published anywhere afterwards arrives after it,
 *   unless the receiver lags (see `publish`). Presence events of one member keep their order.
 * - **At most once.** No publication arrives twice. One is lost when the worker or the node ends
 *   that holds it, or where a queue was full; then `missed` is called where it did not arrive, or
 *   `publish` fails, or both: never neither while both workers live.
 * - **Loss of the link.** A link that comes back goes on where it stopped, with nothing lost or
 *   doubled, as long as both ends remember what the other had not confirmed. If they do not,
 *   `missed` is called once it is back, and interest, presence and watches are told anew. A worker
 *   that stays away for longer than the lease is no longer a member: its members leave.
 * - **Bounded.** Whatever waits for a link has a limit in bytes. Towards a worker that does not
 *   read, everything that waits is dropped at the limit, counted, and it is told `missed`. Towards
 *   the node, what would pass the limit is refused with `broker_unavailable`, and counted.
 *
 * Presence is that of the mesh, where the node is a part of one: the members of other nodes are those of other workers.
 * Where NATS or a node is away, its members leave with the lease, and come back with it.
 *
 * Rates, keys and budgets are those of the node. Where the link is down, rates are
 * counted by the worker alone, and what cannot be had without the node fails with
 * `broker_unavailable` after a bounded time.
 */
export interface Broker {
  /** Names this worker; 0 where the process is the whole node. */
  readonly worker: WorkerId;
  /**
   * Whether publications arrive in the order of their numbers, also those of different channels of a stream.
   * Where they do not, `delivered` is given their `cursor`.
   */
  readonly isOrdered: boolean;

  // Publications

  /**
   * From now on this worker has that many subscribers in the channel; 0 ends its interest. Told before
   * whatever this worker says to the node next.
   *
   * Where the node has not taken note yet that there are any, the answer comes when it has: from then
   * on nothing that is published anywhere passes it by. A node that cannot be reached is not waited for: it takes note
   * when it is back, and `missed` says so.
   */
  interest(app: string, channel: string, subscribers: number): Answer<void>;

  /**
   * For a channel of this worker's interest: answered when it has delivered whatever any other worker of the node
   * had delivered before the question, from wherever that came. Rejected with `broker_unavailable` where that
   * cannot be known.
   */
  caughtUp(app: string, channel: string): Answer<void>;

  /**
   * An id for a publication of this worker, which no other publication of the node has while both
   * can be on their way. A hub gives one to each publication before it delivers it, and only where
   * `needsIds` is true.
   */
  nextId(): number;
  readonly needsIds: boolean;

  /**
   * Hands a delivery to the other workers with subscribers in its channels, and answers how many
   * subscribers it had on all workers together. In `streams` this worker gets it too, before the answer. What publish does first is done at once: two calls
   * are on their way in the order in which they were made, whether or not they are waited for.
   *
   * The answer comes when every such worker has taken its part over, or is gone, or lags: has
   * confirmed nothing for 200 ms, which holds nobody up a second time. The promise is rejected with
   * `broker_unavailable` when the node did not take the delivery over within 5 s, or cannot queue
   * it; then it may or may not arrive at other workers, each at most once, and with the same key it can be made
   * again. A delivery whose key is another's by now arrives at none.
   */
  publish(delivery: Delivery): Answer<Published>;

  /** The same for what nobody waits for; a refusal is counted only. */
  publishUnanswered(delivery: Delivery): void;

  /**
   * A page of what a channel keeps. To begin with it: once `interest` has settled, whatever is delivered and lies
   * behind the page's `position` came after it, and nothing behind it is missed.
   */
  history(app: string, channel: string, request: HistoryRequest): Answer<HistoryPage<Publication>>;

  /**
   * For a stream in which this worker has interest, where publications do not arrive in order: since it has any there no
   * cursor that `delivered` was given has named a number behind this one.
   */
  cursorsUpTo?(app: string, epoch: string): number;

  /** Channels that have subscribers on any worker, a page of them, in the order of their names. */
  channels(app: string, page: ChannelPageRequest): Answer<ChannelPage>;

  /**
   * Disconnects on all OTHER workers of the mesh; answers how many connections that were, and who did not answer
   * within three seconds. The workers are asked `disconnect` with `{ app, target }`, and answer a number.
   */
  disconnect(app: string, target: DisconnectTarget): Answer<Disconnection>;

  /**
   * Bans a user until a moment, ms since the epoch, or lifts a ban with 0. All workers of the mesh are told by
   * `bans` with a list of `Ban`, this one as well, before the answer; nodes that cannot be reached when they can.
   *
   * Where bans are kept beyond the end of nodes this one is so, too, before anybody is told.
   *
   * @throws StarlingError `too_many_bans`, or `broker_unavailable` where it is not known to be kept
   */
  ban(app: string, user: string, until: number): Answer<void>;
  /**
   * A page of the bans that the node knows, lifted ones as well, for a worker that is new or has missed something;
   * `after` is `next` of the page before.
   */
  bans(after: string): Answer<BanPage>;

  // What must hold for all workers together

  /**
   * Gives keys to this worker, all or none. Undefined where the key is new, and then it is this
   * worker's until it is published with, released, or one and a half leases old (15 s); else the answer of the
   * delivery that used it. A key that another delivery is about to use is waited for; one that comes
   * twice in a call counts once.
   *
   * @throws StarlingError `idempotency_conflict` when one belongs to a different request, or
   *   `broker_unavailable` when the node holds too many keys that are not answered yet
   */
  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]>;
  /** Gives keys back that were not published with. */
  release(keys: readonly DeliveryKey[]): void;
  /**
   * Whether the subscribers of this node, the worker's own as well, have had the delivery of a key that
   * `reserve` gave to this worker: an earlier attempt has not reached all others, and this one completes it.
   */
  isDelivered(key: DeliveryKey): boolean;

  /** Takes one from a key's rate: 0 when allowed, else the milliseconds to wait. */
  take(rate: RateName, key: string): Answer<number>;

  /**
   * Room for one connection of an app, and of a user where the app limits those, held for ten seconds or until
   * `connectionOpened` and `connected`.
   *
   * @throws StarlingError `too_many_connections` or `too_many_user_connections`
   */
  admit(app: string, user?: string): Answer<void>;
  connectionOpened(app: string): void;
  connectionClosed(app: string): void;

  /**
   * Tells the node of a connection by its id, where the app wants that (`AppConfig.tellsConnections`).
   * One that moves is told of by both workers, and more than once by one of them.
   */
  connected(app: string, connection: string, user: string | undefined): void;
  disconnected(app: string, connection: string): void;

  /**
   * Whether the app may have this channel. At once, so what several workers open within the same
   * milliseconds can pass the limit by as much.
   */
  hasRoomForChannel(app: string, channel: string): boolean;

  // Presence

  /** Tells the node, and the workers of the mesh that watch the channel, what became of an own member. */
  present(app: string, channel: string, event: PresenceEvent): void;
  /**
   * Watches the members of other workers: answers those there are, and their events follow through
   * `BrokerHandler.presence`. None is missed between the two, and the answer counts as before any
   * event that comes after it. Watching again answers anew. Nodes of the mesh are waited for, for a second at most;
   * the members of one that answers later are news.
   */
  watch(app: string, channel: string): Answer<readonly Member[]>;
  unwatch(app: string, channel: string): void;
  /** Members on all workers of the mesh, in the order in which they joined. */
  members(app: string, channel: string): Answer<readonly Member[]>;
  presenceStats(app: string, channel: string): Answer<PresenceStats>;

  // Worker to worker

  /**
   * Asks one worker. Rejected with what it throws, and with `broker_unavailable` when it is gone.
   * Cancelling gives up the question, which is then rejected, and tells the other side.
   */
  call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown>;
  /** Asks every other worker; the answers that came within two seconds, in no order. */
  gather(method: string, argument: unknown): Promise<readonly unknown[]>;
}
