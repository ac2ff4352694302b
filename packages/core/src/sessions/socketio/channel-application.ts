import { errorBody, StarlingError } from "@starling/protocol/errors.ts";
import { ExpiryTimer } from "../../auth/expiry-timer.ts";
import type { ChannelAction, Identity } from "../../auth/identity.ts";
import { may } from "../../auth/permissions.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { addressLimitKey } from "../../limits/address.ts";
import { endsConnection } from "../../limits/connection-limits.ts";
import type { RateLimiter } from "../../limits/rate-limiter.ts";
import type { TokenBucketOptions } from "../../limits/token-bucket.ts";
import type { Clock, Log } from "../../ports.ts";
import type { Handshake } from "../engine/context.ts";
import { catalogueRefusal, type HttpAnswer } from "../engine/http.ts";
import type { ClientEvent, SocketIoApplication } from "./application.ts";
import type { ClientAuth, ClientInfo } from "./client-auth.ts";
import type { SocketIoConnection } from "./connection.ts";
import { namespaceOfApp } from "./packets.ts";
import { readPublish } from "./publish-event.ts";

export interface ChannelApplicationOptions {
  readonly hub: Hub;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly auth: ClientAuth;
  readonly userRate: RateLimiter;
  readonly addressRate: RateLimiter;
  /** Events a second that one connection may emit. */
  readonly messageRate: TokenBucketOptions;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Log;
}

type Connection = SocketIoConnection<ClientInfo>;

/** Channels for Socket.IO clients: everyone hears their own id, and what a namespace opens. */
export class ChannelApplication implements SocketIoApplication<ClientInfo> {
  readonly #options: ChannelApplicationOptions;
  /** Only of connections whose token runs out. */
  readonly #expiries = new Map<Connection, ExpiryTimer>();

  constructor(options: ChannelApplicationOptions) {
    this.#options = options;
  }

  /**
   * The rate by address is refused before a session exists, so that the stock client tries again;
   * after a `connect_error` it would not.
   */
  admit(handshake: Handshake): HttpAnswer | undefined {
    const waitMs = this.#options.addressRate.take(addressLimitKey(handshake.address));
    return waitMs === 0 ? undefined : catalogueRefusal("rate_limit_block");
  }

  remember(handshake: Handshake): ClientInfo {
    return this.#options.auth.remember(handshake);
  }

  hasNamespace(name: string): boolean {
    const app = appOf(name);
    // Each app has one namespace: the default one is not to be had by its name, too.
    return name === namespaceOfApp(app) && this.#options.apps.has(app);
  }

  connect(
    connection: Connection,
    auth: unknown,
  ): StarlingError | undefined | Promise<StarlingError | undefined> {
    const app = appOf(connection.namespace);
    try {
      const identity = this.#options.auth.identify(app, connection.info, auth);
      if (!(identity instanceof Promise)) return this.#accept(connection, identity);
      return identity.then((known) => this.#accept(connection, known)).catch(asRefusal);
    } catch (error) {
      return asRefusal(error);
    }
  }

  /** The rate comes last: who is refused must not use up the rate of somebody else's id. */
  #accept(connection: Connection, identity: Identity): StarlingError | undefined {
    const { hub, userRate } = this.#options;
    const { app, user } = identity;
    hub.requireRoom(app);
    if (user !== undefined) hub.requireChannel(app, user);
    if (user !== undefined && userRate.take(`${app}:${user}`) > 0) {
      return new StarlingError("rate_limit_block");
    }
    connection.identity = identity;
    return undefined;
  }

  connected(connection: Connection): void {
    const { hub } = this.#options;
    hub.register(connection);
    this.#watchExpiry(connection);
    const { user } = connection;
    if (user !== undefined && this.#may(connection, "subscribe", user)) {
      hub.subscribe(connection, user);
    }
  }

  event(connection: Connection, event: ClientEvent): void {
    const { acknowledge } = event;
    const { clock, counters, messageRate } = this.#options;
    if (!connection.takeMessage(messageRate, clock.now())) {
      counters.floods++;
      acknowledge?.(errorBody(new StarlingError("rate_limited", "too many events a second")));
      connection.close("limit_exceeded");
      return;
    }
    try {
      const answer = this.#perform(connection, event);
      if (answer instanceof Promise) {
        answer.then(acknowledge, (error: unknown) => this.#refuse(connection, event, error));
      } else {
        acknowledge?.(answer);
      }
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#refuse(connection, event, error);
    }
  }

  upgraded(connection: Connection): void {
    const { socket } = connection;
    if (socket !== undefined) this.#options.hub.attach(connection, socket);
  }

  disconnected(connection: Connection): void {
    this.#stopWatching(connection);
    this.#options.hub.unregister(connection);
  }

  #perform(connection: Connection, event: ClientEvent): object | Promise<object> {
    const { hub } = this.#options;
    switch (event.name) {
      case "subscribe": {
        const channel = channelOf(event.args[0]);
        this.#require(connection, "subscribe", channel);
        hub.subscribe(connection, channel);
        return { ok: true, channel };
      }
      case "unsubscribe": {
        const channel = channelOf(event.args[0]);
        return { ok: true, channel, wasSubscribed: hub.unsubscribe(connection, channel) };
      }
      case "publish": {
        const publisher = connection.user ?? connection.id;
        const publication = readPublish(event, connection.app, publisher);
        this.#require(connection, "publish", publication.channel);
        return { ok: true, subscribers: hub.publish(publication) };
      }
      case "authenticate":
        return this.#refresh(connection, event.args[0]);
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
    this.#watchExpiry(connection);
    return { ok: true, expiresAt: connection.identity.expiresAt };
  }

  #refuse(connection: Connection, { acknowledge }: ClientEvent, error: unknown): void {
    const { log } = this.#options;
    const known = error instanceof StarlingError ? error : new StarlingError("internal");
    if (known === error) log.debug({ connection: connection.id, error }, "an event was refused");
    else log.error({ connection: connection.id, error }, "an event could not be handled");
    acknowledge?.(errorBody(known));
    if (!endsConnection(known.errorName)) return;
    this.#options.counters.limitsExceeded++;
    connection.close("limit_exceeded");
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
