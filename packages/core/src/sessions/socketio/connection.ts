import type { CloseName } from "@starling/protocol/close-codes.ts";
import type { ErrorName, StarlingError } from "@starling/protocol/errors.ts";
import { PacketType } from "socket.io-parser";
import type { Identity } from "../../auth/identity.ts";
import type { Channel } from "../../hub/channel.ts";
import { DEFAULT_APP } from "../../hub/namespace.ts";
import type { OneOrMany } from "../../hub/one-or-many.ts";
import type { Frame, Subscriber, WireFormat } from "../../hub/subscriber.ts";
import {
  TokenBucket,
  type TokenBucketOptions,
  type TokenBucketState,
} from "../../limits/token-bucket.ts";
import type { MessageSocket } from "../../ports.ts";
import type { EngineSession } from "../engine/session.ts";
import type { SocketIoClient } from "./client.ts";
import { encodePacket, recoverableSocketIoFormat, socketIoFormat } from "./packets.ts";
import type { Standing } from "./standing.ts";

const NOBODY: Identity = { app: DEFAULT_APP, source: "none" };

/** One client in one Socket.IO namespace. */
export class SocketIoConnection<Info> implements Subscriber {
  /** That of the connection that its client comes back to, where it does; not changed once it is connected. */
  id: string;
  readonly namespace: string;
  channels: OneOrMany<Channel>;
  bagIndex = -1;
  /** Set by the application while it accepts the connection. */
  identity: Identity = NOBODY;
  /** Where its client can come back to; undefined where it cannot. */
  standing: Standing | undefined;
  /** Whether the application accepted it and the client was told. */
  isConnected = false;
  readonly #session: EngineSession<SocketIoClient<Info>>;
  /** Made for the first event; most connections only listen. */
  #bucket: TokenBucket | undefined;

  constructor(id: string, namespace: string, session: EngineSession<SocketIoClient<Info>>) {
    this.id = id;
    this.namespace = namespace;
    this.#session = session;
  }

  get app(): string {
    return this.identity.app;
  }

  get user(): string | undefined {
    return this.identity.user;
  }

  get format(): WireFormat {
    return this.standing === undefined ? socketIoFormat : recoverableSocketIoFormat;
  }

  /** What the application remembered of the handshake. */
  get info(): Info {
    return this.#session.data.info;
  }

  get socket(): MessageSocket | undefined {
    return this.#session.socket;
  }

  isReady(): boolean {
    return this.#session.isReady;
  }

  deliver(frames: readonly Frame[], id?: number): void {
    this.#session.deliver(frames, id);
  }

  /** Emits one event to this client alone. */
  emit(event: string, ...args: readonly unknown[]): void {
    this.#send(PacketType.EVENT, [event, ...args]);
  }

  /** Answers an event that asked for an acknowledgement. */
  acknowledge(id: number, args: readonly unknown[]): void {
    this.deliver(encodePacket({ type: PacketType.ACK, nsp: this.namespace, id, data: [...args] }));
  }

  /** Tells the client that it is connected, unless that very packet is too much for it. */
  confirm(): void {
    const { id: sid, standing } = this;
    this.#send(PacketType.CONNECT, standing === undefined ? { sid } : { sid, pid: standing.pid });
    this.isConnected = this.#session.isOpen;
  }

  /** Tells the client that it is refused; its `connect_error` carries the message. */
  refuse(message: string, data?: { readonly code: number; readonly name: ErrorName }): void {
    this.#send(PacketType.CONNECT_ERROR, data === undefined ? { message } : { message, data });
  }

  refuseWith(error: StarlingError): void {
    this.refuse(error.message, { code: error.code, name: error.errorName });
  }

  /** Whether the client can still be told anything. */
  get isOpen(): boolean {
    return this.isConnected && this.#session.isOpen;
  }

  /** What the connection may emit at once; undefined before its first event. */
  get bucket(): TokenBucketState | undefined {
    return this.#bucket?.state;
  }

  /** Goes on with a connection of another worker, whose client was told there that it is connected. */
  resume(bucket: TokenBucketState | undefined): void {
    this.isConnected = this.#session.isOpen;
    this.#bucket = bucket === undefined ? undefined : TokenBucket.from(bucket);
  }

  /** Answers whether one more event is allowed at this moment. */
  takeMessage(rate: TokenBucketOptions, now: number): boolean {
    this.#bucket ??= new TokenBucket(rate, now);
    return this.#bucket.take(rate, now);
  }

  /** Ends the connection by its close code alone, so that the stock client comes back. */
  close(reason: CloseName): void {
    this.#session.close(reason);
  }

  cutSlow(): void {
    this.#session.cutSlow();
  }

  /** The stock client does not come back by itself after a disconnect packet. */
  disconnect(reason: CloseName): void {
    this.#send(PacketType.DISCONNECT);
    this.#session.close(reason);
  }

  #send(type: PacketType, data?: unknown): void {
    this.deliver(encodePacket({ type, nsp: this.namespace, data }));
  }
}
