import { errorBody, StarlingError } from "@starling/protocol/errors.ts";
import type { RotatingToken } from "../../auth/rotating-token.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import { type AppConfig, optionsOf } from "../../hub/namespace.ts";
import { addressLimitKey } from "../../limits/address.ts";
import type { RateLimiter } from "../../limits/rate-limiter.ts";
import type { Log } from "../../ports.ts";
import type { Handshake } from "../engine/context.ts";
import { catalogueRefusal, type HttpAnswer } from "../engine/http.ts";
import type { ClientEvent, SocketIoApplication } from "./application.ts";
import type { SocketIoConnection } from "./connection.ts";
import { namespaceOfApp } from "./packets.ts";
import { readPublish } from "./publish-event.ts";

export interface ChannelApplicationOptions {
  readonly hub: Hub;
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** Undefined turns the check of the token off. */
  readonly token: RotatingToken | undefined;
  /** What a user id looks like. */
  readonly userIdPattern: RegExp;
  readonly userRate: RateLimiter;
  readonly addressRate: RateLimiter;
  readonly counters: Counters;
  readonly log: Log;
}

/** The user id that the handshake's query gave, if it gave one. */
type UserId = string | undefined;
type Connection = SocketIoConnection<UserId>;

/** Longer ids are refused before the configured pattern, whatever it is, gets to see them. */
const MAX_USER_ID_LENGTH = 255;

/** Channels for Socket.IO clients: everyone hears their own id, and what a namespace opens. */
export class ChannelApplication implements SocketIoApplication<UserId> {
  readonly #options: ChannelApplicationOptions;

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

  remember(handshake: Handshake): UserId {
    return handshake.query.get("uniqueUserId") ?? undefined;
  }

  hasNamespace(name: string): boolean {
    const app = appOf(name);
    // Each app has one namespace: the default one is not to be had by its name, too.
    return name === namespaceOfApp(app) && this.#options.apps.has(app);
  }

  connect(connection: Connection, auth: unknown): StarlingError | undefined {
    const { token, userRate } = this.#options;
    connection.app = appOf(connection.namespace);
    // The token comes first: whoever lacks it must not use up the rate of somebody else's id.
    if (token !== undefined && !token.accepts(tokenOf(auth))) {
      return new StarlingError("invalid_token");
    }
    const user = connection.info;
    if (user === undefined) return undefined;
    if (!this.#isUserId(user)) return new StarlingError("invalid_user_id");
    if (userRate.take(`${connection.app}:${user}`) > 0)
      return new StarlingError("rate_limit_block");
    connection.user = user;
    return undefined;
  }

  connected(connection: Connection): void {
    const { hub } = this.#options;
    hub.register(connection);
    if (connection.user !== undefined) hub.subscribe(connection, connection.user);
  }

  event(connection: Connection, event: ClientEvent): void {
    const { acknowledge } = event;
    try {
      const answer = this.#perform(connection, event);
      acknowledge?.(answer);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#options.log.debug({ connection: connection.id, error }, "an event was refused");
      acknowledge?.(errorBody(error));
    }
  }

  upgraded(connection: Connection): void {
    const { socket } = connection;
    if (socket !== undefined) this.#options.hub.attach(connection, socket);
  }

  disconnected(connection: Connection): void {
    this.#options.hub.unregister(connection);
  }

  #perform(connection: Connection, event: ClientEvent): object {
    const { hub } = this.#options;
    switch (event.name) {
      case "subscribe": {
        const channel = channelOf(event.args[0]);
        this.#requireSubscribe(connection, channel);
        hub.subscribe(connection, channel);
        return { ok: true, channel };
      }
      case "unsubscribe": {
        const channel = channelOf(event.args[0]);
        return { ok: true, channel, wasSubscribed: hub.unsubscribe(connection, channel) };
      }
      case "publish": {
        const publication = readPublish(event, connection.app);
        this.#requirePublish(connection.app, publication.channel);
        return { ok: true, subscribers: hub.publish(publication) };
      }
      default:
        throw new StarlingError("unknown_event");
    }
  }

  #requireSubscribe(connection: Connection, channel: string): void {
    if (channel === connection.user) return;
    const { subscribe } = optionsOf(this.#options.apps, connection.app, channel);
    if (subscribe !== "anyone") throw new StarlingError("permission_denied");
  }

  #requirePublish(app: string, channel: string): void {
    const { publish } = optionsOf(this.#options.apps, app, channel);
    if (publish !== "anyone") throw new StarlingError("permission_denied");
  }

  #isUserId(user: string): boolean {
    return user.length <= MAX_USER_ID_LENGTH && this.#options.userIdPattern.test(user);
  }
}

function appOf(namespace: string): string {
  return namespace === "/" ? "default" : namespace.slice(1);
}

function tokenOf(auth: unknown): unknown {
  return typeof auth === "object" && auth !== null && "token" in auth ? auth.token : undefined;
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
