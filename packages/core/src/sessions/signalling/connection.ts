import type { CloseName } from "@starling/protocol/close-codes.ts";
import { errorCatalogue, StarlingError } from "@starling/protocol/errors.ts";
import { decodeSignal, encodeSignal } from "@starling/protocol/signalling/codec.ts";
import type { SignalLimits } from "@starling/protocol/signalling/limits.ts";
import type {
  Auth,
  ClientData,
  ClientJoin,
  ClientPeerSignal,
  ClientSignal,
  ServerSignal,
  SignalVersion,
} from "@starling/protocol/signalling/messages.ts";
import { snapshotPages } from "@starling/protocol/signalling/snapshot.ts";
import { ExpiryTimer } from "../../auth/expiry-timer.ts";
import type { Identity } from "../../auth/identity.ts";
import { may } from "../../auth/permissions.ts";
import type { Channel } from "../../hub/channel.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import type { AppConfig } from "../../hub/namespace.ts";
import { each, type OneOrMany } from "../../hub/one-or-many.ts";
import type { Presence } from "../../hub/presence.ts";
import type { Frame, Subscriber, WireFormat } from "../../hub/subscriber.ts";
import { endsConnection } from "../../limits/connection-limits.ts";
import { TokenBucket, type TokenBucketOptions } from "../../limits/token-bucket.ts";
import type { Clock, Log, MessageSocket } from "../../ports.ts";
import type { SignallingFormat } from "./format.ts";
import type { LinkUser, SignallingLink } from "./link.ts";
import type { Members } from "./members.ts";
import { SignalledPublication } from "./publication.ts";

/** What every connection of a server shares. */
export interface ConnectionContext {
  readonly hub: Hub;
  readonly presence: Presence;
  readonly members: Members;
  readonly format: SignallingFormat;
  /** For who subscribes without presence. */
  readonly dataFormat: WireFormat;
  readonly apps: ReadonlyMap<string, AppConfig>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly limits: SignalLimits;
  /** Messages a second that one connection may send. */
  readonly messageRate: TokenBucketOptions;
  readonly slowConsumerBytes: number;
  /** Checks a fresh token of a connection that is open. */
  refresh(identity: Identity, token: string): Promise<Identity>;
}

/** One client of the signalling protocol. */
export class SignallingConnection implements Subscriber, LinkUser {
  readonly id: string;
  channels: OneOrMany<Channel>;
  bagIndex = -1;
  readonly #context: ConnectionContext;
  readonly #link: SignallingLink;
  readonly #version: SignalVersion;
  readonly #bucket: TokenBucket;
  #identity: Identity;
  /** The name that the others know it by. */
  #clientId: string;
  /** Ends the connection with its token, unless it brought a fresh one by then. */
  readonly #expiry: ExpiryTimer;

  constructor(
    id: string,
    handshake: { readonly clientId: string; readonly version: SignalVersion },
    identity: Identity,
    link: SignallingLink,
    context: ConnectionContext,
  ) {
    this.id = id;
    this.#clientId = handshake.clientId;
    this.#version = handshake.version;
    this.#identity = identity;
    this.#link = link;
    this.#context = context;
    this.#expiry = new ExpiryTimer(context.clock, () => link.close("token_expired"));
    this.#bucket = new TokenBucket(context.messageRate, context.clock.now());
  }

  get app(): string {
    return this.#identity.app;
  }

  get user(): string | undefined {
    return this.#identity.user;
  }

  get format(): WireFormat {
    return this.#context.format;
  }

  get socket(): MessageSocket | undefined {
    return this.#link.socket;
  }

  isReady(): boolean {
    return this.#link.isReady;
  }

  deliver(frames: readonly Frame[]): void {
    for (const frame of frames) if (typeof frame !== "string") this.#write(frame);
  }

  cutSlow(): void {
    this.#context.counters.slowConsumers++;
    this.#link.closeWhenRead("slow_consumer");
  }

  close(reason: CloseName): void {
    this.#link.close(reason);
  }

  disconnect(reason: CloseName): void {
    this.#link.close(reason);
  }

  /** Tells a client of version 2 that it will be closed. */
  notice(code: number, msg: string, at: number): void {
    this.#send({ t: "control", op: "notice", code, msg, ts: at });
  }

  begin(): void {
    this.#context.hub.register(this);
    this.#expiry.watch(this.#identity.expiresAt);
  }

  end(): void {
    const { hub, members } = this.#context;
    this.#expiry.stop();
    const left = [...each(this.channels)];
    hub.unregister(this);
    for (const { name } of left) members.leave(this, name);
  }

  receive(message: Uint8Array): void {
    const { clock, counters, limits, messageRate } = this.#context;
    if (!this.#bucket.take(messageRate, clock.now())) {
      counters.floods++;
      this.#refuse(
        new StarlingError("rate_limited", "too many messages a second"),
        undefined,
        undefined,
      );
      this.#link.close("limit_exceeded");
      return;
    }
    const decoded = decodeSignal(message, limits, this.#version);
    if (decoded.ok) {
      this.#perform(decoded.signal);
    } else {
      const error = new StarlingError(decoded.error, decoded.message);
      this.#refuse(error, decoded.id, decoded.c);
    }
  }

  #perform(signal: ClientSignal): void {
    try {
      this.#handle(signal);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#refuse(error, signal.id, "c" in signal ? signal.c : undefined);
    }
  }

  #handle(signal: ClientSignal): void {
    if (signal.t === "data") {
      this.#publish(signal);
      return;
    }
    switch (signal.op) {
      case "channel_join":
        this.#join(signal);
        return;
      case "peer_online":
      case "peer_state":
      case "peer_offline":
        this.#peer(signal);
        return;
      case "subscribe":
        this.#require("subscribe", signal.c);
        this.#context.hub.subscribe(this, signal.c, this.#context.dataFormat);
        this.#acknowledge(signal.id, signal.c);
        return;
      case "unsubscribe":
        this.#leave(signal.c);
        this.#acknowledge(signal.id, signal.c);
        return;
      case "ping":
        this.#send({ t: "control", op: "pong", ts: this.#context.clock.now(), ...idOf(signal.id) });
        return;
      case "auth":
        this.#refresh(signal);
        return;
    }
  }

  #join({ c, pl, id }: ClientJoin): void {
    const { hub, members, format } = this.#context;
    const fault = nameFault(c);
    if (fault !== undefined) throw new StarlingError("invalid_signal", `c ${fault}`);
    this.#require("subscribe", c);
    this.#require("presence", c);
    const isNew = members.find(this, c) === undefined;
    // Who only listened so far is moved to those who hear of peers.
    if (isNew) hub.unsubscribe(this, c);
    hub.subscribe(this, c);
    members.join(this, c, this.#clientId, pl?.slice());
    this.#write(format.peer("channel_join", c, "", undefined));
    this.#acknowledge(id, c);
    if (this.#version === 2 && isNew) this.#sendSnapshot(c);
  }

  #peer({ op, c, p, pl, id }: ClientPeerSignal): void {
    const { members } = this.#context;
    const member = members.find(this, c);
    if (member === undefined) throw new StarlingError("not_joined");
    if (op === "peer_state") {
      if (p !== "") this.#rename(p);
      members.changed(this, c, member, pl ?? member.state ?? EMPTY_MAP);
    } else if (op === "peer_online") {
      members.online(this, c, member, pl);
    } else {
      this.#leave(c);
    }
    this.#acknowledge(id, c);
  }

  #publish({ c, pl, id }: ClientData): void {
    const { hub } = this.#context;
    if (![...each(this.channels)].some(({ name }) => name === c)) {
      throw new StarlingError("not_joined");
    }
    this.#require("publish", c);
    hub.publish(new SignalledPublication(this.app, c, this.#clientId, pl ?? EMPTY_MAP), this);
    this.#acknowledge(id, c);
  }

  #leave(channel: string): void {
    if (!this.#context.hub.unsubscribe(this, channel)) throw new StarlingError("not_joined");
    this.#context.members.leave(this, channel);
  }

  #rename(clientId: string): void {
    this.#clientId = clientId;
    for (const { name } of each(this.channels)) {
      const member = this.#context.members.find(this, name);
      if (member !== undefined) member.clientId = clientId;
    }
  }

  #sendSnapshot(channel: string): void {
    const { presence, limits } = this.#context;
    const others = [...presence.members(this.app, channel)]
      .filter(({ connection }) => connection !== this.id)
      .map(({ clientId: p, state: pl, since }) =>
        pl === undefined ? { p, since } : { p, pl, since },
      );
    for (const page of snapshotPages(channel, others, limits)) this.#send(page);
  }

  #refresh({ tk, id }: Auth): void {
    const { refresh, log } = this.#context;
    refresh(this.#identity, tk).then(
      (identity) => {
        this.#identity = identity;
        this.#expiry.watch(this.#identity.expiresAt);
        this.#acknowledge(id, undefined);
      },
      (error: unknown) => {
        if (!(error instanceof StarlingError)) log.error({ error }, "a token could not be checked");
        const known = error instanceof StarlingError ? error : new StarlingError("internal");
        this.#refuse(known, id, undefined);
      },
    );
  }

  #require(action: "subscribe" | "publish" | "presence", channel: string): void {
    if (!may(this.#identity, action, channel, this.#context.apps, "signalling")) {
      throw new StarlingError("permission_denied");
    }
  }

  #acknowledge(id: number | undefined, c: string | undefined): void {
    if (id === undefined || this.#version === 1) return;
    const ack = { t: "control", op: "ack", id } as const;
    this.#send(c === undefined ? ack : { ...ack, c });
  }

  /** Version 1 has no way to tell: what is refused is dropped, counted and logged. */
  #refuse(error: StarlingError, id: number | undefined, c: string | undefined): void {
    const { counters, log } = this.#context;
    counters.droppedSignals++;
    log.debug({ connection: this.id, code: error.code, reason: error.message }, "dropped a signal");
    const { code } = errorCatalogue[error.errorName];
    const signal = { t: "control", op: "error", code, msg: error.message } as const;
    this.#send({ ...signal, ...idOf(id), ...(c === undefined ? {} : { c }) });
    if (!endsConnection(error.errorName)) return;
    counters.limitsExceeded++;
    this.#link.close("limit_exceeded");
  }

  /** Sends what only clients of version 2 understand. */
  #send(signal: ServerSignal): void {
    if (this.#version === 2) this.#write(encodeSignal(signal));
  }

  #write(frame: Uint8Array): void {
    const { socket } = this.#link;
    if (this.#link.send(frame)) return;
    if ((socket?.getBufferedAmount() ?? 0) > this.#context.slowConsumerBytes) this.cutSlow();
  }
}

/** Published clients stop reading for good at a message without a payload. */
const EMPTY_MAP = new Uint8Array([0x80]);

function idOf(id: number | undefined): { id?: number } {
  return id === undefined ? {} : { id };
}
