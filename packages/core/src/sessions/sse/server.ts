import { StarlingError } from "@starling/protocol/errors.ts";
import { type Answer, allAnswers, whenAnswered } from "../../answer.ts";
import type { Identity } from "../../auth/identity.ts";
import { may } from "../../auth/permissions.ts";
import type { Counters } from "../../hub/counters.ts";
import { Cursor, parseCursor } from "../../hub/cursor.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import type { Beginning } from "../../hub/recovery.ts";
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
  /** The cursor of the last event that it saw, where it comes back; perhaps none of ours. */
  readonly lastEventId?: string | undefined;
  /** How many of the last publications it wants of each channel, as it stands in the query. */
  readonly last?: string | undefined;
}

const MAX_LAST = 1_000_000;

/** Streams of server-sent events. */
export class SseServer {
  readonly #options: SseServerOptions;
  readonly #sessions = new Set<SseSession>();
  #timer: TimerHandle | undefined;
  #refusesNew = false;

  constructor(options: SseServerOptions) {
    this.#options = options;
  }

  /**
   * A session that is yet to be opened.
   *
   * @throws StarlingError `invalid_request`, `permission_denied`, `too_many_channels`,
   *   `too_many_connections` or `shutting_down`
   */
  create(identity: Identity, request: SseRequest): Answer<SseSession> {
    const { apps, hub, maxChannelsPerConnection } = this.#options;
    const { channels } = request;
    const from = wantedFrom(request);
    if (this.#refusesNew) throw new StarlingError("shutting_down");
    if (channels.length === 0) throw new StarlingError("invalid_request", "channel: is missing");
    if (channels.length > maxChannelsPerConnection) throw new StarlingError("too_many_channels");
    for (const channel of channels) {
      const fault = nameFault(channel);
      if (fault !== undefined) throw new StarlingError("invalid_request", `channel: ${fault}`);
      if (!may(identity, "subscribe", channel, apps, "sse")) {
        throw new StarlingError("permission_denied", `not allowed to read ${channel}`);
      }
    }
    const { app, user } = identity;
    const expected = () => allAnswers(channels.map((channel) => hub.expect(app, channel)));
    return whenAnswered(whenAnswered(hub.admit(app, user), expected), () =>
      this.#admitted(identity, request, from),
    );
  }

  #admitted(
    identity: Identity,
    { channels, envelope }: SseRequest,
    from: Beginning["from"],
  ): SseSession {
    const { hub, clock, random, counters, slowConsumerBytes } = this.#options;
    const session = new SseSession({
      id: random.bytes(15).toBase64({ alphabet: "base64url" }),
      app: identity.app,
      user: identity.user,
      expiresAt: identity.expiresAt,
      format: envelope ? sseEnvelopeFormat : sseFormat,
      beginnings: channels.map((channel) => ({ channel, from })),
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

  /** From now on there are no new streams; those that there are go on. */
  refuseNew(): void {
    this.#refusesNew = true;
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

/**
 * A client that comes back wants what it missed, whatever it asked for at first: the address of a stream
 * stays the same.
 *
 * @throws StarlingError `invalid_request`
 */
function wantedFrom({ lastEventId, last }: SseRequest): Beginning["from"] {
  if (lastEventId !== undefined) return parseCursor(lastEventId) ?? Cursor.nowhere;
  if (last === undefined) return undefined;
  const count = Number(last);
  if (!/^\d+$/.test(last) || count < 1 || count > MAX_LAST) {
    const message = `last: must be a whole number from 1 to ${MAX_LAST}`;
    throw new StarlingError("invalid_request", message);
  }
  return { last: count };
}
