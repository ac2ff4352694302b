import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, whenAnswered } from "../answer.ts";
import type { BanPage } from "../bans/ban-list.ts";
import type { DisconnectTarget } from "../hub/api.ts";
import { type ChannelPage, type ChannelPageRequest, channelPage } from "../hub/channel-page.ts";
import type { Member, PresenceStats } from "../hub/member.ts";
import type { AppConfig } from "../hub/namespace.ts";
import type { Position } from "../hub/position.ts";
import { userKey } from "../hub/user-key.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import type {
  Cancellation,
  DeliveryKey,
  PresenceEvent,
  Published,
  RateName,
  WorkerId,
} from "./broker.ts";
import type { Budgets } from "./budgets.ts";
import type { Connections } from "./connections.ts";
import { disconnectedBy } from "./disconnecting.ts";
import {
  bothDisconnected,
  type Disconnection,
  type Elsewhere,
  nobodyDisconnected,
} from "./elsewhere.ts";
import { type Handovers, Receipt } from "./handovers.ts";
import type { Histories } from "./histories.ts";
import type { Interests } from "./interests.ts";
import type { NodeBans } from "./node-bans.ts";
import type { NodeCounters } from "./node-counters.ts";
import type { NodePresence } from "./node-presence.ts";
import type { NodeObserver } from "./observer.ts";
import { isOwnPart } from "./own-part.ts";
import type { Ask, Questions } from "./questions.ts";
import type { Reservations } from "./reservations.ts";
import { reservedElsewhere } from "./reserved-elsewhere.ts";
import type { Router } from "./router.ts";
import type { NodeDelivery, NodeMember, NodeSeat } from "./seat.ts";
import type { HistoryPage, HistoryRequest } from "./stream.ts";
import type { UserBudgets } from "./user-budgets.ts";

/** Bans that a worker is told at once: as much as the queue of a link has room for in any case. */
const BANS_AT_ONCE = 1_000;
const NOWHERE: readonly Position[] = [];
const NOBODY: Published = { subscribers: 0, positions: NOWHERE };

/** What all seats of a node share. */
export interface NodeState<Content> {
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Workers that are present. */
  readonly seats: Map<WorkerId, Seat<Content>>;
  readonly interests: Interests<Seat<Content>>;
  readonly handovers: Handovers<Seat<Content>>;
  readonly router: Router<Content, Seat<Content>>;
  readonly reservations: Reservations<Seat<Content>>;
  readonly rates: Readonly<Record<RateName, RateLimiter>>;
  readonly budgets: Budgets<Seat<Content>>;
  readonly users: UserBudgets<Seat<Content>>;
  readonly connections: Connections<Seat<Content>>;
  readonly presence: NodePresence<Seat<Content>>;
  readonly questions: Questions<Seat<Content>>;
  readonly histories: Histories<Content>;
  readonly bans: NodeBans;
  /** The other nodes, where this one is in a mesh. */
  readonly elsewhere: { nodes: Elsewhere | undefined };
  readonly counters: NodeCounters;
  readonly observer: NodeObserver;
}

/** A worker's place in the node. After `leave` nothing that would be kept is taken note of. */
export class Seat<Content> implements NodeSeat<Content> {
  readonly worker: WorkerId;
  readonly member: NodeMember<Content>;
  readonly #node: NodeState<Content>;

  constructor(node: NodeState<Content>, worker: WorkerId, member: NodeMember<Content>) {
    this.#node = node;
    this.worker = worker;
    this.member = member;
  }

  interest(app: string, channel: string, subscribers: number): void {
    if (!this.#isPresent) return;
    const change = this.#node.interests.set(this, app, channel, subscribers);
    const { observer } = this.#node;
    if (change === "opened") {
      this.#tellChannels(app, [channel], []);
      observer.opened(app, channel);
    } else if (change === "closed") {
      this.#tellChannels(app, [], [channel]);
      observer.closed(app, channel);
    }
  }

  publish(delivery: NodeDelivery<Content>): Answer<Published> {
    const { router, seats, reservations, counters } = this.#node;
    counters.publications++;
    const { reached, key, streams } = delivery;
    if (key !== undefined && !reservations.use(this, key)) {
      counters.lateKeys++;
      throw new StarlingError("broker_unavailable", "the key is another delivery's by now");
    }
    if (seats.size === 1 && streams.length === 0) return this.#delivered(key, reached, NOWHERE);
    const receipt = new Receipt();
    const kept = this.#keep(delivery, receipt);
    const total = reached + kept.subscribers + router.route(this, delivery, receipt);
    if (receipt.isDone) return this.#delivered(key, total, kept.positions);
    return new Promise((resolve) => {
      receipt.onDone(() => resolve(this.#delivered(key, total, kept.positions)));
    });
  }

  publishUnanswered(delivery: NodeDelivery<Content>): void {
    const { router, seats, reservations, counters } = this.#node;
    counters.publications++;
    const { reached, key, streams } = delivery;
    if (key !== undefined && !reservations.use(this, key)) {
      counters.lateKeys++;
      return;
    }
    if (seats.size === 1 && streams.length === 0) {
      this.#delivered(key, reached, NOWHERE);
      return;
    }
    const kept = this.#keep(delivery, undefined);
    const others = router.route(this, delivery, undefined);
    this.#delivered(key, reached + kept.subscribers + others, kept.positions);
  }

  history(app: string, channel: string, request: HistoryRequest): HistoryPage<Content> {
    return this.#node.histories.read(app, channel, request);
  }

  channels(app: string, page: ChannelPageRequest): ChannelPage {
    return channelPage(this.#node.interests.summaries(app), page);
  }

  disconnect(app: string, target: DisconnectTarget): Answer<Disconnection> {
    const { seats, questions, elsewhere } = this.#node;
    const others = [...seats.values()].filter((seat) => seat !== this);
    const here =
      others.length === 0
        ? nobodyDisconnected
        : disconnectedBy(questions, this, others, { app, target });
    const there = elsewhere.nodes?.disconnect(app, target);
    if (there === undefined) return here;
    return Promise.all([here, there]).then(([own, rest]) => bothDisconnected(own, rest));
  }

  ban(app: string, user: string, until: number): Answer<void> {
    return this.#node.bans.say(app, user, until);
  }

  bans(after: string): Answer<BanPage> {
    return this.#node.bans.page(after, BANS_AT_ONCE);
  }

  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]> {
    if (!this.#isPresent) throw new StarlingError("broker_unavailable");
    const { reservations, elsewhere } = this.#node;
    const known = reservations.reserve(this, keys);
    const { nodes } = elsewhere;
    if (nodes === undefined) return known;
    return whenAnswered(known, (own) => reservedElsewhere(this, reservations, nodes, keys, own));
  }

  release(keys: readonly DeliveryKey[]): void {
    const { reservations, elsewhere } = this.#node;
    const free = reservations.release(this, keys);
    elsewhere.nodes?.release(free.filter((key) => !isOwnPart(key)));
  }

  take(rate: RateName, key: string): Answer<number> {
    const limiter = this.#node.rates[rate];
    const waitMs = limiter.take(key);
    const { nodes } = this.#node.elsewhere;
    if (nodes === undefined || rate !== "user" || waitMs > 0 || !limiter.isLimited) return waitMs;
    return nodes.take(key);
  }

  admit(app: string, user?: string): Answer<void> {
    if (!this.#isPresent) return;
    const { budgets, users, elsewhere } = this.#node;
    if (user === undefined || users.limit(app) === 0) {
      budgets.admit(this, app);
      return;
    }
    const taken = users.admit(this, app, user);
    const room = elsewhere.nodes?.room(userKey(app, user), taken, users.limit(app)) ?? true;
    return whenAnswered(room, (hasRoom) => {
      try {
        if (!hasRoom) throw new StarlingError("too_many_user_connections");
        budgets.admit(this, app);
      } catch (error) {
        users.giveBack(this, app, user);
        throw error;
      }
    });
  }

  connectionOpened(app: string): void {
    if (this.#isPresent) this.#node.budgets.opened(this, app);
  }

  connectionClosed(app: string): void {
    this.#node.budgets.closed(this, app);
  }

  connected(app: string, connection: string, user: string | undefined): void {
    if (this.#isPresent) this.#node.connections.opened(this, app, connection, user);
  }

  disconnected(app: string, connection: string): void {
    this.#node.connections.closed(this, app, connection);
  }

  hasRoomForChannel(app: string, channel: string): boolean {
    const limit = this.#channelLimit(app);
    const { interests } = this.#node;
    return limit === 0 || interests.has(app, channel) || interests.count(app) < limit;
  }

  limitedChannels(): ReadonlyMap<string, readonly string[]> {
    const { apps, interests } = this.#node;
    const limited = [...apps.keys()].filter((app) => this.#channelLimit(app) > 0);
    return new Map(limited.map((app) => [app, [...interests.names(app)]]));
  }

  present(app: string, channel: string, event: PresenceEvent): void {
    if (!this.#isPresent) return;
    this.#node.counters.presenceEvents++;
    this.#node.presence.present(this, app, channel, event);
  }

  watch(app: string, channel: string): Answer<readonly Member[]> {
    return this.#isPresent ? this.#node.presence.watch(this, app, channel) : [];
  }

  unwatch(app: string, channel: string): void {
    this.#node.presence.unwatch(this, app, channel);
  }

  members(app: string, channel: string): Answer<readonly Member[]> {
    return this.#node.presence.members(app, channel);
  }

  presenceStats(app: string, channel: string): Answer<PresenceStats> {
    return this.#node.presence.stats(app, channel);
  }

  call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    const { questions, seats } = this.#node;
    const asked = seats.get(worker);
    if (asked === undefined || !this.#isPresent) {
      return Promise.reject(new StarlingError("broker_unavailable"));
    }
    return questions.ask(this, asked, asked.asking(method, argument), cancellation);
  }

  gather(method: string, argument: unknown): Promise<readonly unknown[]> {
    const { questions, seats } = this.#node;
    const others = [...seats.values()].filter((seat) => seat !== this);
    return questions.gather(
      this,
      others.map((seat) => [seat, seat.asking(method, argument)] as const),
    );
  }

  leave(): void {
    if (!this.#isPresent) return;
    const { seats, interests, handovers, reservations, budgets, users } = this.#node;
    const { connections, presence, questions, observer } = this.#node;
    seats.delete(this.worker);
    const closed = interests.forget(this);
    handovers.forget(this);
    reservations.forget(this);
    budgets.forget(this);
    users.forget(this);
    presence.forget(this);
    connections.forget(this);
    questions.forget(this);
    for (const [app, channels] of closed) {
      this.#tellChannels(app, [], channels);
      for (const channel of channels) observer.closed(app, channel);
    }
  }

  /** Puts a question to this worker. */
  asking(method: string, argument: unknown): Ask {
    return (cancellation) => this.member.ask(method, argument, cancellation);
  }

  get #isPresent(): boolean {
    return this.#node.seats.get(this.worker) === this;
  }

  #channelLimit(app: string): number {
    return this.#node.apps.get(app)?.maxChannels ?? 0;
  }

  /** Keeps a delivery in each of its streams, and hands it on at once, so that all get it in one order. */
  #keep(
    { app, streams, publication }: NodeDelivery<Content>,
    receipt: Receipt | undefined,
  ): Published {
    if (streams.length === 0) return NOBODY;
    const { histories, router } = this.#node;
    const positions: Position[] = [];
    let subscribers = 0;
    for (const stream of streams) {
      if (stream.position !== undefined) {
        positions.push(stream.position);
        subscribers += router.count(app, stream.channel);
        continue;
      }
      const position = histories.append(app, stream, publication);
      positions.push(position);
      const { channel } = stream;
      subscribers += router.routeKept(this, app, channel, publication, position, receipt);
    }
    return { subscribers, positions };
  }

  #delivered(
    key: DeliveryKey | undefined,
    subscribers: number,
    positions: readonly Position[],
  ): Published {
    const published = { subscribers, positions };
    if (key === undefined) return published;
    const { reservations, elsewhere } = this.#node;
    reservations.answered(key, published);
    if (!isOwnPart(key)) elsewhere.nodes?.answered(key, published);
    return published;
  }

  #tellChannels(app: string, opened: readonly string[], closed: readonly string[]): void {
    if (this.#channelLimit(app) === 0) return;
    for (const { member } of this.#node.seats.values()) {
      member.channelsChanged(app, opened, closed);
    }
  }
}
