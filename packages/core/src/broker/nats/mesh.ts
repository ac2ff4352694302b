import type { NatsConnection } from "@nats-io/nats-core";
import { type Answer, whenAnswered } from "../../answer.ts";
import type { BanPage } from "../../bans/ban-list.ts";
import type { DisconnectTarget } from "../../hub/api.ts";
import type { ChannelPage, ChannelPageRequest } from "../../hub/channel-page.ts";
import type { Member, PresenceStats } from "../../hub/member.ts";
import { type AppConfig, namespaceOf, optionsOf } from "../../hub/namespace.ts";
import type { Publication } from "../../hub/publication.ts";
import type { AfterTurn, Clock, Log, Random } from "../../ports.ts";
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
} from "../broker.ts";
import type { Disconnection } from "../elsewhere.ts";
import { ownPartOf } from "../own-part.ts";
import type { HistoryPage, HistoryRequest, Stream } from "../stream.ts";
import { AnswerWatch } from "./answer-watch.ts";
import { MeshCounters } from "./counters.ts";
import { Envelopes } from "./envelope.ts";
import { Inbox } from "./inbox.ts";
import { KeptChannels, type Place } from "./kept-channels.ts";
import { MeshLink } from "./link.ts";
import { LinkProbe, type LinkReport } from "./link-probe.ts";
import { MeshKeys } from "./mesh-keys.ts";
import { originOf } from "./origin.ts";
import { PlainChannels } from "./plain-channels.ts";
import { Pulse } from "./pulse.ts";
import type { StreamSettings } from "./stream-config.ts";
import { Subjects } from "./subjects.ts";
import { within } from "./within.ts";

/** Bytes of a random name. */
const NAME_BYTES = 9;
/** Milliseconds that a worker which starts waits for NATS. */
const FIRST_LINK_MS = 2_000;

export interface MeshBrokerOptions {
  /** The worker's broker of its node. */
  readonly inner: Broker;
  readonly handler: BrokerHandler;
  /** Names the node among all of the mesh and of all times: its workers have the same, and no others. */
  readonly node: string;
  /** Names it for people, and for clients; printable ASCII of at most 64 characters. */
  readonly meshId: string;
  connect(): Promise<NatsConnection>;
  readonly clock: Clock;
  readonly random: Random;
  readonly afterTurn: AfterTurn;
  readonly log: Log;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** First token of all subjects; default `starling`. */
  readonly prefix?: string;
  readonly streams: StreamSettings;
  /** Told when the link to NATS comes up or goes down. */
  linkChanged?(isUp: boolean): void;
  /** Told when NATS begins to answer late, and when it is in time again. */
  answersLate?(isLate: boolean): void;
  /** Where a channel is kept, if it is; default: what its namespace says. */
  placeOf?(app: string, channel: string): Place | undefined;
}

/**
 * A worker's broker where several nodes share a NATS system: publications reach the workers of its own node
 * as they do without NATS, and those of the others over NATS; histories are the mesh's, and so is presence, by what
 * the process of the node says to others (`NatsPresence`). Rates, keys, budgets, questions and lists of
 * channels are those of the node.
 */
export class MeshBroker implements Broker {
  readonly worker: WorkerId;
  /** Also where the node is this worker alone: others have to be told of what it wants. */
  readonly needsIds = true;
  /** Servers republish after they have stored, each publisher's messages by themselves. */
  readonly isOrdered = false;
  readonly counters = new MeshCounters();
  readonly #inner: Broker;
  readonly #keys: MeshKeys;
  readonly #link: MeshLink;
  readonly #answers: AnswerWatch;
  readonly #probe: LinkProbe;
  readonly #plain: PlainChannels;
  readonly #kept: KeptChannels;
  readonly #pulse: Pulse;
  readonly #clock: Clock;
  readonly #firstLink = Promise.withResolvers<void>();
  readonly #placeOf: (app: string, channel: string) => Place | undefined;
  #sequence = 0;

  constructor(options: MeshBrokerOptions) {
    const { inner, handler, node, meshId, random, apps, log, clock } = options;
    const { prefix = "starling" } = options;
    const { placeOf = (app, channel) => placeIn(apps, app, channel) } = options;
    const { counters } = this;
    this.worker = inner.worker;
    this.#inner = inner;
    this.#clock = clock;
    this.#keys = new MeshKeys(inner);
    this.#placeOf = placeOf;
    const instance = random.bytes(NAME_BYTES).toBase64({ alphabet: "base64url" });
    const origin = originOf(node, instance, meshId);
    const envelopes = new Envelopes(origin);
    const subjects = new Subjects(prefix);
    const inbox = new Inbox({ handler, envelopes, counters, log, node });
    const nextSequence = () => ++this.#sequence;
    const link = new MeshLink(options);
    this.#link = link;
    this.#probe = new LinkProbe(link, clock);
    const shared = {
      ...{ link, clock, handler, subjects, envelopes, inbox, counters, nextSequence, log },
    };
    this.#plain = new PlainChannels(shared);
    this.#kept = new KeptChannels({ ...shared, origin, settings: options.streams, placeOf });
    const changed = (isLate: boolean) => options.answersLate?.(isLate);
    const answers = new AnswerWatch({ clock, log, changed });
    this.#answers = answers;
    const lost = (since: number) => {
      this.#plain.lost();
      this.#kept.lost(since);
    };
    this.#pulse = new Pulse({ link, clock, log, subjects, origin, node, lost });
    link.use({
      up: (connection) => {
        this.#firstLink.resolve();
        options.linkChanged?.(true);
        const flush = () => Promise.all([connection.flush(), this.#kept.filled()]);
        answers.up({ flush });
      },
      down: () => {
        answers.down();
        options.linkChanged?.(false);
      },
    });
    link.start();
  }

  /**
   * Resolves when NATS has been reached, or after two seconds. Whoever lets clients in before that has to tell
   * them that they may have missed something.
   */
  async reached(): Promise<void> {
    await within(this.#clock, FIRST_LINK_MS, this.#firstLink.promise).catch(() => {});
  }

  /** Since when NATS has been away, ms since the epoch; undefined while it is there. */
  get downSince(): number | undefined {
    return this.#link.downSince;
  }

  /** How the connection stands, and how far it is behind. */
  linkReport(): LinkReport {
    return this.#probe.report();
  }

  /** Bytes that wait for NATS. */
  get waitingBytes(): number {
    return this.#plain.waitingBytes + this.#kept.waitingBytes;
  }

  interest(app: string, channel: string, subscribers: number): Answer<void> {
    const own = this.#inner.interest(app, channel, subscribers);
    const isKept = this.#placeOf(app, channel) !== undefined;
    const channels = isKept ? this.#kept : this.#plain;
    const noted = channels.interest(app, channel, subscribers > 0);
    return whenAnswered(own, () => noted);
  }

  caughtUp(app: string, channel: string): Answer<void> {
    const own = this.#inner.caughtUp(app, channel);
    const caughtUp =
      this.#placeOf(app, channel) === undefined
        ? this.#link.flushed()
        : this.#kept.caughtUp(app, channel);
    return whenAnswered(own, () => caughtUp.then(() => {}));
  }

  /** Workers of other nodes that were heard over NATS of late. */
  get heard(): number {
    return this.#pulse.heard;
  }

  nextId(): number {
    return this.#inner.nextId();
  }

  publish(delivery: Delivery): Answer<Published> {
    const { streams, key } = delivery;
    if (streams.length > 0 || key !== undefined) return this.#publishParts(delivery);
    return this.#publishPlain(delivery);
  }

  publishUnanswered(delivery: Delivery): void {
    const { channels, streams, publication, key } = delivery;
    if (streams.length > 0 || key !== undefined) {
      // A refusal has been counted.
      this.#publishParts(delivery).catch(() => {});
      return;
    }
    this.#inner.publishUnanswered(delivery);
    this.#plain.publishUnanswered(publication, channels);
  }

  cursorsUpTo(app: string, epoch: string): number {
    return this.#kept.cursorsUpTo(app, epoch);
  }

  history(app: string, channel: string, request: HistoryRequest): Answer<HistoryPage<Publication>> {
    if (this.#placeOf(app, channel) === undefined) {
      return this.#inner.history(app, channel, request);
    }
    return this.#kept.history(app, channel, request);
  }

  channels(app: string, page: ChannelPageRequest): Answer<ChannelPage> {
    return this.#inner.channels(app, page);
  }

  disconnect(app: string, target: DisconnectTarget): Answer<Disconnection> {
    return this.#inner.disconnect(app, target);
  }

  ban(app: string, user: string, until: number): Answer<void> {
    return this.#inner.ban(app, user, until);
  }

  bans(after: string): Answer<BanPage> {
    return this.#inner.bans(after);
  }

  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]> {
    return this.#keys.reserve(keys);
  }

  release(keys: readonly DeliveryKey[]): void {
    this.#keys.release(keys);
  }

  isDelivered(key: DeliveryKey): boolean {
    return this.#keys.delivered(key) !== undefined;
  }

  take(rate: RateName, key: string): Answer<number> {
    return this.#inner.take(rate, key);
  }

  admit(app: string, user?: string): Answer<void> {
    return this.#inner.admit(app, user);
  }

  connectionOpened(app: string): void {
    this.#inner.connectionOpened(app);
  }

  connectionClosed(app: string): void {
    this.#inner.connectionClosed(app);
  }

  connected(app: string, connection: string, user: string | undefined): void {
    this.#inner.connected(app, connection, user);
  }

  disconnected(app: string, connection: string): void {
    this.#inner.disconnected(app, connection);
  }

  hasRoomForChannel(app: string, channel: string): boolean {
    return this.#inner.hasRoomForChannel(app, channel);
  }

  present(app: string, channel: string, event: PresenceEvent): void {
    this.#inner.present(app, channel, event);
  }

  watch(app: string, channel: string): Answer<readonly Member[]> {
    return this.#inner.watch(app, channel);
  }

  unwatch(app: string, channel: string): void {
    this.#inner.unwatch(app, channel);
  }

  members(app: string, channel: string): Answer<readonly Member[]> {
    return this.#inner.members(app, channel);
  }

  presenceStats(app: string, channel: string): Answer<PresenceStats> {
    return this.#inner.presenceStats(app, channel);
  }

  call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    return this.#inner.call(worker, method, argument, cancellation);
  }

  gather(method: string, argument: unknown): Promise<readonly unknown[]> {
    return this.#inner.gather(method, argument);
  }

  /** Leaves NATS when what waits has arrived there, or its time is over; not the node. */
  async close(): Promise<void> {
    await this.#link.flushed();
    this.#answers.down();
    this.#pulse.close();
    this.#plain.close();
    this.#kept.close();
    await this.#link.close();
  }

  /**
   * What is kept comes first, since its place is part of the answer. All is sent at once, so that two
   * deliveries stay in their order.
   */
  async #publishParts(delivery: Delivery): Promise<Published> {
    const { app, channels, streams, publication, reached, key } = delivery;
    const keeping = streams.map(({ channel }) => this.#kept.publish(publication, channel, key));
    const plain = channels.length === 0 ? undefined : this.#publishPlain(delivery);
    const [published, positions] =
      plain === undefined
        ? [undefined, await allOf(keeping)]
        : await Promise.all([plain, Promise.all(keeping)]);
    const kept: Stream[] = streams.map((stream, index) => ({
      ...stream,
      position: positions[index],
    }));
    const answer = this.#inner.publish({
      ...{ app, channels: [], streams: kept, publication, key },
      reached: published?.subscribers ?? reached,
    });
    if (key === undefined) return answer;
    const done = await answer;
    this.#keys.done(key);
    return done;
  }

  /** The part in channels without history; the own node has it also where NATS is away. */
  #publishPlain(delivery: Delivery): Promise<Published> {
    const { channels, publication, key } = delivery;
    const own =
      (key && this.#keys.delivered(key)) ??
      this.#inner.publish({ ...delivery, streams: [], key: key && ownPartOf(key) });
    // A promise less for each publication, where the node is this process.
    if (!(own instanceof Promise)) return this.#plain.publish(publication, channels, own, key);
    const handedOver = this.#plain.publish(publication, channels, undefined, key);
    return Promise.all([own, handedOver]).then(([published]) => published);
  }
}

/** Nearly always it is one, for which `Promise.all` would cost more than the promise. */
function allOf<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  const [only, ...more] = promises;
  return only === undefined || more.length > 0 ? Promise.all(promises) : only.then((one) => [one]);
}

/** The namespace whose options hold in a channel, where they keep a history. */
function placeIn(
  apps: ReadonlyMap<string, AppConfig>,
  app: string,
  channel: string,
): Place | undefined {
  const { history, recover } = optionsOf(apps, app, channel);
  if (history === undefined) return undefined;
  const namespace = namespaceOf(channel);
  const isDeclared = apps.get(app)?.namespaces.has(namespace) === true;
  return { ...history, recover, namespace: isDeclared ? namespace : "" };
}
