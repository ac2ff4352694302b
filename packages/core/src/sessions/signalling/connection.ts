import type { CloseName } from "@starling/protocol/close-codes.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import { decodeSignal } from "@starling/protocol/signalling/codec.ts";
import type { SignalLimits } from "@starling/protocol/signalling/limits.ts";
import type {
  Auth,
  ClientData,
  ClientJoin,
  ClientPeerSignal,
  ClientSignal,
  SignalVersion,
  Subscribe,
} from "@starling/protocol/signalling/messages.ts";
import { snapshotPages } from "@starling/protocol/signalling/snapshot.ts";
import type { Answer } from "../../answer.ts";
import { whenAnswered } from "../../answer.ts";
import { ExpiryTimer } from "../../auth/expiry-timer.ts";
import type { Identity } from "../../auth/identity.ts";
import { may } from "../../auth/permissions.ts";
import type { Channel } from "../../hub/channel.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Hub } from "../../hub/hub.ts";
import { nameFault } from "../../hub/names.ts";
import { type AppConfig, optionsOf } from "../../hub/namespace.ts";
import { each, type OneOrMany } from "../../hub/one-or-many.ts";
import type { Presence } from "../../hub/presence.ts";
import type { Begun } from "../../hub/recovery.ts";
import { SignalledPublication } from "../../hub/signalled-publication.ts";
import type { Frame, Subscriber, WireFormat } from "../../hub/subscriber.ts";
import { TokenBucket, type TokenBucketOptions } from "../../limits/token-bucket.ts";
import type { Clock, Log, MessageSocket } from "../../ports.ts";
import type { SignallingFormat } from "./format.ts";
import { Inbox } from "./inbox.ts";
import type { LinkUser, SignallingLink } from "./link.ts";
import type { Members } from "./members.ts";
import { Replies } from "./replies.ts";
import { recoveredWithout, wantedFrom } from "./wanted.ts";

/** What every connection of a server shares. */
export interface ConnectionContext {
  readonly hub: Hub;
  readonly presence: Presence;
  readonly members: Members;
  readonly format: SignallingFormat;
  /** For members of version 2, where they may recover. */
  readonly offsetFormat: WireFormat;
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
  readonly #replies: Replies;
  readonly #bucket: TokenBucket;
  readonly #inbox: Inbox;
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
    this.#replies = new Replies(id, handshake.version, link, context);
    this.#bucket = new TokenBucket(context.messageRate, context.clock.now());
    this.#inbox = new Inbox(context.slowConsumerBytes);
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
    for (const frame of frames) if (typeof frame !== "string") this.#replies.write(frame);
  }

  cutSlow(): void {
    this.#replies.cutSlow();
  }

  close(reason: CloseName): void {
    this.#link.close(reason);
  }

  disconnect(reason: CloseName): void {
    this.#link.close(reason);
  }

  /** Tells a client of version 2 that it will be closed. */
  notice(code: number, msg: string, at: number): void {
    this.#replies.send({ t: "control", op: "notice", code, msg, ts: at });
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
    const { clock, messageRate } = this.#context;
    if (!this.#bucket.take(messageRate, clock.now())) this.#flooded("too many messages a second");
    else if (!this.#inbox.isHeld) this.#perform(message);
    else if (!this.#inbox.put(message)) this.#flooded("too much before a request was answered");
  }

  #flooded(reason: string): void {
    this.#context.counters.floods++;
    this.#replies.refuse(new StarlingError("rate_limited", reason), undefined);
    this.#link.close("limit_exceeded");
  }

  #perform(message: Uint8Array): void {
    const decoded = decodeSignal(message, this.#context.limits, this.#version);
    if (!decoded.ok) {
      this.#replies.refuse(
        new StarlingError(decoded.error, decoded.message),
        decoded.id,
        decoded.c,
      );
      return;
    }
    const { signal } = decoded;
    this.#attempt(signal, () => this.#handle(signal));
  }

  /** What the client says while this takes time has to wait, since it may be about the channel. */
  #attempt(signal: ClientSignal, handle: () => Answer<void>): void {
    try {
      const done = handle();
      if (done instanceof Promise) void this.#holdUntil(done, signal);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#refuse(error, signal);
    }
  }

  async #holdUntil(done: Promise<void>, signal: ClientSignal): Promise<void> {
    this.#inbox.hold();
    try {
      await done;
    } catch (error) {
      if (!this.#isOver) {
        this.#refuse(error, signal);
        // A client that cannot be told would wait for ever; it tries again when it is closed.
        if (this.#version === 1) this.#link.close("internal_error");
      }
    }
    this.#inbox.release((message) => {
      if (!this.#isOver) this.#perform(message);
    });
  }

  #refuse(error: unknown, signal: ClientSignal): void {
    this.#replies.refuse(error, signal.id, "c" in signal ? signal.c : undefined);
  }

  #handle(signal: ClientSignal): Answer<void> {
    if (signal.t === "data") {
      this.#publish(signal);
      return;
    }
    switch (signal.op) {
      case "channel_join":
        return this.#join(signal);
      case "peer_online":
      case "peer_state":
      case "peer_offline":
        this.#peer(signal);
        return;
      case "subscribe":
        this.#require("subscribe", signal.c);
        return this.#subscribe(signal);
      case "unsubscribe":
        this.#leave(signal.c);
        this.#replies.acknowledge(signal.id, signal.c);
        return;
      case "ping":
        this.#replies.pong(signal.id, this.#context.clock.now());
        return;
      case "auth":
        this.#refresh(signal);
        return;
    }
  }

  #subscribe(signal: Subscribe): Answer<void> {
    const { c, id } = signal;
    return this.#begin(signal, this.#context.dataFormat, (begun) =>
      this.#replies.acknowledgeBegun(id, { ...begun, channel: c }),
    );
  }

  #join(signal: ClientJoin): Answer<void> {
    const { c } = signal;
    const fault = nameFault(c);
    if (fault !== undefined) throw new StarlingError("invalid_signal", `c ${fault}`);
    this.#require("subscribe", c);
    this.#require("presence", c);
    const { hub, presence } = this.#context;
    const expected = hub.expect(this.app, c);
    const known = whenAnswered(presence.watch(this.app, c), () => expected);
    return known instanceof Promise ? this.#joinLater(known, signal) : this.#enter(signal);
  }

  async #joinLater(known: Promise<void>, signal: ClientJoin): Promise<void> {
    const { presence } = this.#context;
    await known;
    // Another who waited and has gone may have ended the watch.
    let again = presence.watch(this.app, signal.c);
    while (again instanceof Promise) {
      await again;
      again = presence.watch(this.app, signal.c);
    }
    if (this.#isOver) presence.unwatch(this.app, signal.c);
    else await this.#enter(signal);
  }

  /** The members of other workers are known. */
  #enter(signal: ClientJoin): Answer<void> {
    const { c } = signal;
    const { hub, members, presence, format, offsetFormat } = this.#context;
    const begun = { channel: c, position: undefined, recovered: recoveredWithout(signal) };
    if (members.find(this, c) !== undefined) {
      this.#welcome(signal, begun);
      return;
    }
    const recovers = this.#version === 2 && this.#recovers(c);
    // Who only listened so far is moved to those who hear of peers, and goes on.
    const goesOn = hub.unsubscribe(this, c);
    if (recovers && !goesOn) return this.#enterRecovering(signal);
    try {
      void hub.subscribe(this, c, recovers ? offsetFormat : format);
    } catch (error) {
      presence.unwatch(this.app, c);
      throw error;
    }
    members.join(this, c, this.#clientId, signal.pl?.slice());
    this.#welcome(signal, begun);
    if (this.#version === 2) this.#sendSnapshot(c);
  }

  /** It is a member before it is subscribed, or the watch of the channel might end meanwhile. */
  #enterRecovering(signal: ClientJoin): Answer<void> {
    const { c } = signal;
    const { members, offsetFormat } = this.#context;
    members.join(this, c, this.#clientId, signal.pl?.slice());
    const failed = (error: unknown): never => {
      members.leave(this, c);
      throw error;
    };
    try {
      const done = this.#begin(signal, offsetFormat, (begun) => {
        this.#welcome(signal, begun);
        this.#sendSnapshot(c);
      });
      return done instanceof Promise ? done.catch(failed) : done;
    } catch (error) {
      return failed(error);
    }
  }

  #welcome({ c, id }: ClientJoin, begun: Begun): void {
    this.#replies.write(this.#context.format.peer("channel_join", c, "", undefined));
    this.#replies.acknowledgeBegun(id, begun);
  }

  /** Subscribes, and sends what of the history is wanted. */
  #begin(
    signal: ClientJoin | Subscribe,
    format: WireFormat,
    begun: (begun: Begun) => void,
  ): Answer<void> {
    const { c: channel } = signal;
    const done = this.#context.hub.begin(this, [{ channel, from: wantedFrom(signal) }], {
      format,
      // What it said itself before it came back, under the name that it has now.
      isOwn: ({ sender, publisher }) => sender !== undefined && publisher === this.#clientId,
      begun([how]) {
        if (how !== undefined) begun(how);
      },
    });
    // Elsewhere it hears of the channel already, and may go on.
    return this.#recovers(channel) ? done : undefined;
  }

  #recovers(channel: string): boolean {
    const { history, recover } = optionsOf(this.#context.apps, this.app, channel);
    return history !== undefined && recover === true;
  }

  get #isOver(): boolean {
    return this.#link.socket === undefined;
  }

  #peer({ op, c, p, pl, id }: ClientPeerSignal): void {
    const { members } = this.#context;
    const member = members.find(this, c);
    if (member === undefined) throw new StarlingError("not_joined");
    if (op === "peer_state") {
      if (p !== "" && p !== this.#clientId) this.#rename(p);
      members.changed(this, c, member, pl ?? member.state ?? EMPTY_MAP);
    } else if (op === "peer_online") {
      members.online(this, c, member, pl);
    } else {
      this.#leave(c);
    }
    this.#replies.acknowledge(id, c);
  }

  #publish({ c, pl, id }: ClientData): void {
    const { hub } = this.#context;
    if (![...each(this.channels)].some(({ name }) => name === c)) {
      throw new StarlingError("not_joined");
    }
    this.#require("publish", c);
    const said = new SignalledPublication(this.app, c, this.#clientId, pl ?? EMPTY_MAP);
    if (id === undefined) hub.publishUnanswered(said, this);
    else this.#acknowledgeWhen(hub.publish(said, this), id, c);
  }

  #acknowledgeWhen(done: Answer<unknown>, id: number, c: string): void {
    if (!(done instanceof Promise)) {
      this.#replies.acknowledge(id, c);
      return;
    }
    done.then(
      () => this.#replies.acknowledge(id, c),
      (error: unknown) => this.#replies.refuse(error, id, c),
    );
  }

  #leave(channel: string): void {
    if (!this.#context.hub.unsubscribe(this, channel)) throw new StarlingError("not_joined");
    this.#context.members.leave(this, channel);
  }

  #rename(clientId: string): void {
    this.#clientId = clientId;
    for (const { name } of each(this.channels)) {
      const { members } = this.#context;
      const member = members.find(this, name);
      if (member !== undefined) members.rename(this, name, member, clientId);
    }
  }

  #sendSnapshot(channel: string): void {
    const { presence, limits } = this.#context;
    const others = presence
      .members(this.app, channel)
      // A client is listed once, however many connections it has, and never to itself.
      .filter(
        (member) =>
          member.clientId !== this.#clientId &&
          member === presence.named(this.app, channel, member.clientId),
      )
      .map(({ clientId: p, state: pl, since }) =>
        pl === undefined ? { p, since } : { p, pl, since },
      );
    for (const page of snapshotPages(channel, others, limits)) this.#replies.send(page);
  }

  #refresh({ tk, id }: Auth): void {
    this.#context.refresh(this.#identity, tk).then(
      (identity) => {
        this.#identity = identity;
        this.#expiry.watch(this.#identity.expiresAt);
        this.#replies.acknowledge(id);
      },
      (error: unknown) => this.#replies.refuse(error, id),
    );
  }

  #require(action: "subscribe" | "publish" | "presence", channel: string): void {
    if (!may(this.#identity, action, channel, this.#context.apps, "signalling")) {
      throw new StarlingError("permission_denied");
    }
  }
}

/** Published clients stop reading for good at a message without a payload. */
const EMPTY_MAP = new Uint8Array([0x80]);
