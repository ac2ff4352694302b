import { errorBody, StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, whenAnswered } from "../../answer.ts";
import { ExpiryTimer } from "../../auth/expiry-timer.ts";
import type { ChannelAction, Identity } from "../../auth/identity.ts";
import { may } from "../../auth/permissions.ts";
import type { Broker } from "../../broker/broker.ts";
import type { WorkerHandlers } from "../../broker/handlers.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { each } from "../../hub/one-or-many.ts";
import { addressLimitKey } from "../../limits/address.ts";
import { endsConnection } from "../../limits/connection-limits.ts";
import type { TokenBucketOptions } from "../../limits/token-bucket.ts";
import type { Clock, Log, Random } from "../../ports.ts";
import type { Follower, Following } from "../engine/cluster.ts";
import type { Handshake } from "../engine/context.ts";
import { catalogueRefusal, type HttpAnswer } from "../engine/http.ts";
import type {
  ClientEvent,
  DisconnectReason,
  FollowedConnection,
  MovableApplication,
} from "./application.ts";
import type { ClientAuth, ClientInfo } from "./client-auth.ts";
import type { SocketIoConnection } from "./connection.ts";
import { ConnectionChannels } from "./connection-channels.ts";
import { namespaceOfApp } from "./packets.ts";
import { readPublish } from "./publish-event.ts";
import { Shadow } from "./shadow.ts";

export interface ChannelApplicationOptions {
  readonly hub: Hub;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly auth: ClientAuth;
  /** Counts the rates by user and by address. */
  readonly broker: Pick<Broker, "take" | "worker" | "call" | "gather" | "isOrdered">;
  readonly handlers: Pick<WorkerHandlers, "method">;
  /** Milliseconds for which the state of a connection that broke is kept; 0 is not at all. */
  readonly recoveryMs: number;
  /** Events a second that one connection may emit. */
  readonly messageRate: TokenBucketOptions;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

type Connection = SocketIoConnection<ClientInfo>;

/** Channels for Socket.IO clients: everyone hears their own id, and what a namespace opens. */
export class ChannelApplication implements MovableApplication<ClientInfo> {
  readonly #options: ChannelApplicationOptions;
  /** Only of connections whose token runs out. */
  readonly #expiries = new Map<Connection, ExpiryTimer>();
  readonly #channels: ConnectionChannels;

  constructor(options: ChannelApplicationOptions) {
    this.#options = options;
    this.#channels = new ConnectionChannels({
      ...options,
      maySubscribe: (connection, channel) => this.#may(connection, "subscribe", channel),
    });
  }

  /**
   * The rate by address is refused before a session exists, so that the stock client tries again;
   * after a `connect_error` it would not.
   */
  admit(handshake: Handshake): Answer<HttpAnswer | undefined> {
    const taken = this.#options.broker.take("address", addressLimitKey(handshake.address));
    return whenAnswered(taken, (waitMs) =>
      waitMs === 0 ? undefined : catalogueRefusal("rate_limit_block"),
    );
  }

  remember(handshake: Handshake): ClientInfo {
    return this.#options.auth.remember(handshake);
  }

  hasNamespace(name: string): boolean {
    const app = appOf(name);
    // Each app has one namespace: the default one is not to be had by its name, too.
    return name === namespaceOfApp(app) && this.#options.apps.has(app);
  }

  connect(connection: Connection, auth: unknown): Answer<StarlingError | undefined> {
    const app = appOf(connection.namespace);
    try {
      const known = this.#options.auth.identify(app, connection.info, auth);
      const verdict = whenAnswered(known, (identity) => this.#accept(connection, identity, auth));
      return verdict instanceof Promise ? verdict.catch(asRefusal) : verdict;
    } catch (error) {
      return asRefusal(error);
    }
  }

  /**
   * The rate comes after the token: who lacks it must not use up the rate of somebody else's id.
   * Room comes last, since it is kept for a while for whoever was let in.
   */
  #accept(
    connection: Connection,
    identity: Identity,
    auth: unknown,
  ): Answer<StarlingError | undefined> {
    const { hub, broker } = this.#options;
    const { app, user } = identity;
    if (user !== undefined) hub.requireChannel(app, user);
    const taken = user === undefined ? 0 : broker.take("user", `${app}:${user}`);
    return whenAnswered(taken, (waitMs) => {
      if (waitMs > 0) return new StarlingError("rate_limit_block");
      return whenAnswered(hub.admit(app, user), () => {
        connection.identity = identity;
        // A client that knows it is connected may have somebody write to it at once.
        return this.#channels.accept(connection, auth, this.#ownChannel(connection));
      });
    });
  }

  connected(connection: Connection): Answer<void> {
    this.#options.hub.register(connection);
    this.#watchExpiry(connection);
    try {
      return this.#channels.begin(connection);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      // Others may have used up the channels of the app since this one was let in.
      this.#refuse(connection, undefined, error);
    }
  }

  abandoned(connection: Connection): void {
    this.#channels.abandoned(connection);
  }

  event(connection: Connection, event: ClientEvent): Answer<undefined> {
    const { acknowledge } = event;
    const { clock, counters, messageRate } = this.#options;
    if (!connection.takeMessage(messageRate, clock.now())) {
      counters.floods++;
      acknowledge?.(errorBody(new StarlingError("rate_limited", "too many events a second")));
      connection.close("limit_exceeded");
      return;
    }
    try {
      const answer = this.#perform(connection, event, (said) => acknowledge?.(said));
      if (!(answer instanceof Promise)) return;
      return answer.catch((error: unknown) => this.#refuse(connection, acknowledge, error));
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      return this.#refuse(connection, acknowledge, error);
    }
  }

  upgraded(connection: Connection): void {
    const { socket } = connection;
    if (socket !== undefined) this.#options.hub.attach(connection, socket);
  }

  disconnected(connection: Connection, reason: DisconnectReason): void {
    this.#stopWatching(connection);
    this.#options.hub.unregister(connection);
    this.#channels.ended(connection, reason);
  }

  leave(): Promise<void> {
    return this.#channels.leave();
  }

  channelsOf(connection: Connection): readonly string[] {
    return Array.from(each(connection.channels), (channel) => channel.name);
  }

  follow(connection: FollowedConnection, follower: Follower): Following {
    return Shadow.of(connection, this.#options.hub, follower);
  }

  caughtUp(connection: Connection): Answer<void> {
    return this.#options.hub.caughtUp(connection.app, this.channelsOf(connection));
  }

  restored(connection: Connection, channels: readonly string[]): void {
    this.#options.hub.register(connection);
    this.#watchExpiry(connection);
    this.#channels.restored(connection, channels);
  }

  #perform(
    connection: Connection,
    event: ClientEvent,
    answer: (said: object) => void,
  ): Answer<undefined> {
    const { hub } = this.#options;
    const done = (said: object): undefined => void answer(said);
    switch (event.name) {
      case "subscribe": {
        const [argument] = event.args;
        const channel = channelOf(argument);
        this.#require(connection, "subscribe", channel);
        const begun = this.#channels.subscribe(connection, channel, argument, answer);
        return whenAnswered(begun, () => undefined);
      }
      case "unsubscribe": {
        const channel = channelOf(event.args[0]);
        const wasSubscribed = this.#channels.unsubscribe(connection, channel);
        return done({ ok: true, channel, wasSubscribed });
      }
      case "publish": {
        const publisher = connection.user ?? connection.id;
        const publication = readPublish(event, connection.app, publisher);
        this.#require(connection, "publish", publication.channel);
        return whenAnswered(hub.publish(publication), ({ subscribers }) =>
          done({ ok: true, subscribers }),
        );
      }
      case "authenticate":
        return this.#refresh(connection, event.args[0]).then(done);
      default:
        throw new StarlingError("unknown_event");
    }
  }

  /** A fresh token for a connection that goes on. */
  async #refresh(connection: Connection, argument: unknown): Promise<object> {
    const token =
      typeof argument === "object" && argument !== null && "token" in argument
        ? argument.token
        : undefined;
    connection.identity = await this.#options.auth.refresh(connection.identity, token);
    // A timer of a connection that has ended meanwhile would be kept for ever.
    if (connection.isOpen) this.#watchExpiry(connection);
    return { ok: true, expiresAt: connection.identity.expiresAt };
  }

  #refuse(
    connection: Connection,
    acknowledge: ClientEvent["acknowledge"],
    error: unknown,
  ): undefined {
    const { log } = this.#options;
    const known = error instanceof StarlingError ? error : new StarlingError("internal");
    if (known === error) log.debug({ connection: connection.id, error }, "an event was refused");
    else log.error({ connection: connection.id, error }, "an event could not be handled");
    acknowledge?.(errorBody(known));
    if (!endsConnection(known.errorName)) return;
    this.#options.counters.limitsExceeded++;
    connection.close("limit_exceeded");
  }

  /** The channel of its own name, which a connection hears without having asked for it. */
  #ownChannel(connection: Connection): string | undefined {
    const { user } = connection;
    return user !== undefined && this.#may(connection, "subscribe", user) ? user : undefined;
  }

  #may(connection: Connection, action: ChannelAction, channel: string): boolean {
    return may(connection.identity, action, channel, this.#options.apps, "socket.io");
  }

  #require(connection: Connection, action: ChannelAction, channel: string): void {
    if (!this.#may(connection, action, channel)) throw new StarlingError("permission_denied");
  }

  /** Ends the connection when its token does, unless it brought a fresh one by then. */
  #watchExpiry(connection: Connection): void {
    const { expiresAt } = connection.identity;
    let timer = this.#expiries.get(connection);
    if (timer === undefined) {
      if (expiresAt === undefined) return;
      timer = new ExpiryTimer(this.#options.clock, () => connection.close("token_expired"));
      this.#expiries.set(connection, timer);
    }
    timer.watch(expiresAt);
  }

  #stopWatching(connection: Connection): void {
    this.#expiries.get(connection)?.stop();
    this.#expiries.delete(connection);
  }
}

function asRefusal(error: unknown): StarlingError {
  if (error instanceof StarlingError) return error;
  throw error;
}

function appOf(namespace: string): string {
  return namespace === "/" ? "default" : namespace.slice(1);
}

function channelOf(argument: unknown): string {
  const channel =
    typeof argument === "object" && argument !== null && "channel" in argument
      ? argument.channel
      : undefined;
  const fault = nameFault(channel);
  if (typeof channel !== "string" || fault !== undefined) {
    throw new StarlingError("invalid_request", `channel: ${fault ?? "must be a string"}`);
  }
  return channel;
}
