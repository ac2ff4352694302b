import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import type { BanPage } from "../../bans/ban-list.ts";
import type { DisconnectTarget } from "../../hub/api.ts";
import { ByChannel } from "../../hub/by-channel.ts";
import type { ChannelPage, ChannelPageRequest } from "../../hub/channel-page.ts";
import type { Member, PresenceStats } from "../../hub/member.ts";
import type { Publication } from "../../hub/publication.ts";
import { RateLimiter } from "../../limits/rate-limiter.ts";
import type {
  Broker,
  Cancellation,
  Delivery,
  DeliveryKey,
  PresenceEvent,
  Published,
  RateName,
  WorkerId,
} from "../broker.ts";
import type { Disconnection } from "../elsewhere.ts";
import { PublicationIds } from "../publication-ids.ts";
import type { HistoryPage, HistoryRequest } from "../stream.ts";
import { ChannelMirror } from "./channel-mirror.ts";
import type { IpcBrokerOptions } from "./client-options.ts";
import { readHistoryPage, writeHistoryRequest, writeStreams } from "./history-codec.ts";
import * as messages from "./messages.ts";
import { NodeLink } from "./node-link.ts";
import { TO_NODE } from "./opcodes.ts";
import { writePublication } from "./publication-codec.ts";
import type { Reader } from "./reader.ts";
import { Told } from "./told.ts";
import { packValue, unpackValue } from "./values.ts";
import type { Writer } from "./writer.ts";

/** The broker of a worker whose node is another process. */
export class IpcBroker implements Broker {
  readonly worker: WorkerId;
  readonly needsIds = true;
  readonly isOrdered = true;
  readonly #options: IpcBrokerOptions;
  readonly #ids: PublicationIds;
  readonly #told = new Told();
  /** Settle when the node has taken note of an interest that is new. */
  readonly #unnoted = new ByChannel<Promise<void>>();
  readonly #mirror: ChannelMirror;
  readonly #limiters: Readonly<Record<RateName, RateLimiter>>;
  readonly #link: NodeLink;

  /** Joins the node; rejected with `broker_unavailable` when it does not answer within the lease. */
  static async connect(options: IpcBrokerOptions): Promise<IpcBroker> {
    const broker = new IpcBroker(options);
    await broker.#link.join();
    return broker;
  }

  private constructor(options: IpcBrokerOptions) {
    const { clock, rates } = options;
    this.worker = options.worker;
    this.#options = options;
    this.#ids = new PublicationIds(options.worker);
    this.#mirror = new ChannelMirror(options.apps);
    this.#limiters = {
      user: new RateLimiter({ ...rates.user, clock }),
      address: new RateLimiter({ ...rates.address, clock }),
      api: new RateLimiter({ ...rates.api, clock }),
    };
    this.#link = new NodeLink(options, this.#told, this.#mirror);
  }

  /** Whether a stream connects the node at this moment. */
  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  /** What the link has carried, and how often it came back. */
  get counters(): NodeLink["counters"] {
    return this.#link.counters;
  }

  /** Asks the node itself. Rejected as `call` is. */
  ask(method: string, argument: unknown, cancellation?: Cancellation): Promise<unknown> {
    return this.#askValue(TO_NODE.ask, undefined, method, argument, cancellation);
  }

  /** Leaves the node once everything has arrived there, or after a second. */
  close(): Promise<void> {
    return this.#link.close();
  }

  interest(app: string, channel: string, subscribers: number): Answer<void> {
    const before = this.#told.interests.get(app, channel) ?? 0;
    if (subscribers !== before) {
      this.#told.interest(app, channel, subscribers);
      this.#mirror.interest(app, channel, subscribers);
      this.#link.schedule();
    }
    if (subscribers === 0) return;
    return before === 0 ? this.#noted(app, channel) : this.#unnoted.get(app, channel);
  }

  /** The node passes everything on in one order, questions and answers as well. */
  caughtUp(): void {}

  nextId(): number {
    return this.#ids.next();
  }

  publish(delivery: Delivery): Promise<Published> {
    const link = this.#link;
    const writer = link.begin();
    if (writer === undefined) return refused();
    const id = link.requests.nextId("usual");
    writer.uint(TO_NODE.publish);
    writer.uint(id);
    writeDelivery(writer, delivery);
    return link.commit() ? link.requests.wait(id, messages.readPublished) : refused();
  }

  publishUnanswered(delivery: Delivery): void {
    const writer = this.#link.begin();
    if (writer === undefined) return;
    writer.uint(TO_NODE.publishUnanswered);
    writeDelivery(writer, delivery);
    this.#link.commit();
  }

  history(
    app: string,
    channel: string,
    request: HistoryRequest,
  ): Promise<HistoryPage<Publication>> {
    const write = (writer: Writer) => {
      writer.string(app);
      writer.string(channel);
      writeHistoryRequest(writer, request);
    };
    const read = (reader: Reader) => readHistoryPage(reader, app, channel);
    return this.#link.request("usual", TO_NODE.history, write, read);
  }

  channels(app: string, page: ChannelPageRequest): Promise<ChannelPage> {
    const write = (writer: Writer) => {
      writer.string(app);
      messages.writePageRequest(writer, page);
    };
    return this.#link.request("usual", TO_NODE.channels, write, messages.readPage);
  }

  disconnect(app: string, target: DisconnectTarget): Promise<Disconnection> {
    const write = (writer: Writer) => {
      writer.string(app);
      messages.writeTarget(writer, target);
    };
    return this.#link.request("usual", TO_NODE.disconnect, write, messages.readDisconnection);
  }

  ban(app: string, user: string, until: number): Promise<void> {
    const write = (writer: Writer) => {
      writer.string(app);
      writer.string(user);
      writer.uint(until);
    };
    return this.#link.request("usual", TO_NODE.ban, write, () => {});
  }

  bans(after: string): Promise<BanPage> {
    const write = (writer: Writer) => writer.string(after);
    return this.#link.request("usual", TO_NODE.bans, write, messages.readBans);
  }

  reserve(keys: readonly DeliveryKey[]): Promise<readonly (Published | undefined)[]> {
    const write = (writer: Writer) => messages.writeKeys(writer, keys);
    return this.#link.request("long", TO_NODE.reserve, write, messages.readKnown);
  }

  release(keys: readonly DeliveryKey[]): void {
    this.#link.tell(TO_NODE.release, (writer) => messages.writeKeys(writer, keys));
  }

  /** The node has a delivery as a whole or not at all. */
  isDelivered(): boolean {
    return false;
  }

  take(rate: RateName, key: string): Answer<number> {
    if (this.#options.rates[rate].ratePerSecond === 0) return 0;
    const alone = () => this.#limiters[rate].take(key);
    if (!this.isConnected) return alone();
    const write = (writer: Writer) => {
      messages.writeRate(writer, rate);
      writer.string(key);
    };
    return this.#link.request("brief", TO_NODE.take, write, readUint).catch(alone);
  }

  admit(app: string, user?: string): Answer<void> {
    const limitsUser = user !== undefined && this.#limitsUsers(app);
    if (!limitsUser && !this.#limitsConnections(app)) return;
    const write = (writer: Writer) => {
      writer.string(app);
      writer.optionalString(limitsUser ? user : undefined);
    };
    return this.#link.request("usual", TO_NODE.admit, write, () => {});
  }

  connectionOpened(app: string): void {
    if (!this.#limitsConnections(app)) return;
    this.#told.connection(app, 1);
    this.#link.tell(TO_NODE.connectionsOpened, (writer) => {
      writer.string(app);
      writer.uint(1);
    });
  }

  connectionClosed(app: string): void {
    if (!this.#limitsConnections(app)) return;
    this.#told.connection(app, -1);
    this.#link.tell(TO_NODE.connectionClosed, (writer) => writer.string(app));
  }

  connected(app: string, connection: string, user: string | undefined): void {
    this.#told.connected(app, connection, user);
    this.#link.tell(TO_NODE.connected, (writer) =>
      messages.writeConnection(writer, { app, connection, user }),
    );
  }

  disconnected(app: string, connection: string): void {
    this.#told.disconnected(app, connection);
    this.#link.tell(TO_NODE.disconnected, (writer) => {
      writer.string(app);
      writer.string(connection);
    });
  }

  hasRoomForChannel(app: string, channel: string): boolean {
    return this.#mirror.hasRoom(app, channel);
  }

  present(app: string, channel: string, event: PresenceEvent): void {
    this.#told.present(app, channel, event);
    this.#link.tell(TO_NODE.present, (writer) => {
      writer.string(app);
      writer.string(channel);
      messages.writeEvent(writer, event);
    });
  }

  watch(app: string, channel: string): Promise<readonly Member[]> {
    this.#told.watches.set(app, channel, true);
    return this.#askOfChannel(TO_NODE.watch, app, channel, messages.readMembers);
  }

  unwatch(app: string, channel: string): void {
    this.#told.watches.delete(app, channel);
    this.#link.tell(TO_NODE.unwatch, (writer) => {
      writer.string(app);
      writer.string(channel);
    });
  }

  members(app: string, channel: string): Promise<readonly Member[]> {
    return this.#askOfChannel(TO_NODE.members, app, channel, messages.readMembers);
  }

  presenceStats(app: string, channel: string): Promise<PresenceStats> {
    return this.#askOfChannel(TO_NODE.presenceStats, app, channel, messages.readStats);
  }

  call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    return this.#askValue(TO_NODE.call, worker, method, argument, cancellation);
  }

  gather(method: string, argument: unknown): Promise<readonly unknown[]> {
    return this.#askValue(TO_NODE.gather, undefined, method, argument, undefined).then((answers) =>
      Array.isArray(answers) ? answers : [],
    );
  }

  #noted(app: string, channel: string): Answer<void> {
    const noted = this.#link.noted();
    if (noted === undefined) return;
    const pending: Promise<void> = noted.then(() => {
      if (this.#unnoted.get(app, channel) === pending) this.#unnoted.delete(app, channel);
    });
    this.#unnoted.set(app, channel, pending);
    return pending;
  }

  #limitsUsers(app: string): boolean {
    return (this.#options.apps.get(app)?.maxConnectionsPerUser ?? 0) > 0;
  }

  /** Where there is no limit the node has nothing to count. */
  #limitsConnections(app: string): boolean {
    return (this.#options.apps.get(app)?.maxConnections ?? 0) > 0;
  }

  #askOfChannel<T>(
    code: number,
    app: string,
    channel: string,
    read: (reader: Reader) => T,
  ): Promise<T> {
    const write = (writer: Writer) => {
      writer.string(app);
      writer.string(channel);
    };
    return this.#link.request("usual", code, write, read);
  }

  async #askValue(
    code: number,
    worker: WorkerId | undefined,
    method: string,
    argument: unknown,
    cancellation: Cancellation | undefined,
  ): Promise<unknown> {
    const value = packValue(argument);
    const write = (writer: Writer) => {
      if (worker !== undefined) writer.uint(worker);
      writer.string(method);
      writer.bin(value);
    };
    const read = (reader: Reader) => unpackValue(reader.rest());
    return this.#link.request("endless", code, write, read, cancellation);
  }
}

function writeDelivery(writer: Writer, delivery: Delivery): void {
  const { app, channels, streams, publication, reached, key } = delivery;
  writer.string(app);
  writer.strings(channels);
  writeStreams(writer, streams);
  writer.uint(reached);
  messages.writeOptionalKey(writer, key);
  const place = writer.openBin();
  writePublication(writer, publication);
  writer.closeBin(place);
}

function refused(): Promise<never> {
  return Promise.reject(new StarlingError("broker_unavailable"));
}

const readUint = (reader: Reader) => reader.uint();
