import { StarlingError } from "@starling/protocol/errors.ts";
import type { Identity } from "../../auth/identity.ts";
import { may } from "../../auth/permissions.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import type { Clock, Random, TimerHandle } from "../../ports.ts";
import { sseEnvelopeFormat, sseFormat } from "./format.ts";
import { SseSession } from "./session.ts";

export interface SseServerOptions {
  readonly hub: Hub;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  readonly slowConsumerBytes: number;
  readonly maxChannelsPerConnection: number;
  /** Milliseconds between comments on a stream. */
  readonly heartbeatMs: number;
}

/** What a client asks for. */
export interface SseRequest {
  readonly channels: readonly string[];
  /** Whether each event also names its channel, event and publisher. */
  readonly envelope: boolean;
}

/** Streams of server-sent events. */
export class SseServer {
  readonly #options: SseServerOptions;
  readonly #sessions = new Set<SseSession>();
  #timer: TimerHandle | undefined;

  constructor(options: SseServerOptions) {
    this.#options = options;
  }

  /**
   * A session that is yet to be opened.
   *
   * @throws StarlingError `invalid_request`, `permission_denied` or `too_many_channels`
   */
  create(identity: Identity, request: SseRequest): SseSession {
    const { apps, clock, random, hub, counters, slowConsumerBytes, maxChannelsPerConnection } =
      this.#options;
    const { channels, envelope } = request;
    if (channels.length === 0) throw new StarlingError("invalid_request", "channel: is missing");
    if (channels.length > maxChannelsPerConnection) throw new StarlingError("too_many_channels");
    for (const channel of channels) {
      const fault = nameFault(channel);
      if (fault !== undefined) throw new StarlingError("invalid_request", `channel: ${fault}`);
      if (!may(identity, "subscribe", channel, apps, "sse")) {
        throw new StarlingError("permission_denied", `not allowed to read ${channel}`);
      }
    }
    hub.requireRoom(identity.app);
    const session = new SseSession({
      id: random.bytes(15).toBase64({ alphabet: "base64url" }),
      app: identity.app,
      user: identity.user,
      expiresAt: identity.expiresAt,
      format: envelope ? sseEnvelopeFormat : sseFormat,
      hub,
      clock,
      counters,
      slowConsumerBytes,
      onEnd: (ended) => this.#sessions.delete(ended),
    });
    this.#sessions.add(session);
    this.#schedule();
    return session;
  }

  /** Ends every stream; its client comes back by itself. */
  shutDown(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const session of [...this.#sessions]) session.disconnect("shutting_down");
  }

  /** One timer serves all streams, and there is none while there are no streams. */
  #schedule(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      for (const session of [...this.#sessions]) session.beat();
      if (this.#sessions.size > 0) this.#schedule();
    }, this.#options.heartbeatMs);
  }
}
