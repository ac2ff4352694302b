import type { CloseName } from "@starling/protocol/close-codes.ts";
import type { SignalVersion } from "@starling/protocol/signalling/messages.ts";
import type { MessageSocket, TimerHandle } from "../../ports.ts";
import type { HeartbeatMember } from "../engine/heartbeat.ts";
import type { SocketHandler } from "../socket-handler.ts";
import { closingOf } from "./closing.ts";

/** How long a client that lags may take to read the last of what waits for it. */
const ENDING_GRACE_MS = 5_000;
/** RFC 6455 section 7.4.1: data of a kind that is not accepted, here text. */
const UNSUPPORTED_DATA = 1003;

/** What a link needs of the server that it belongs to. */
export interface LinkContext {
  /** Puts the link under heartbeat; answers its slot. */
  enter(link: SignallingLink): number;
  leave(link: SignallingLink, slot: number): void;
  after(delayMs: number, callback: () => void): TimerHandle;
  clear(timer: TimerHandle): void;
  /** The time that a ping took to come back, from its payload. */
  measured(payload: Uint8Array): void;
}

/** What happens on a link, for the connection that it carries. */
export interface LinkUser {
  begin(): void;
  receive(message: Uint8Array): void;
  /** Called once for each link that began. */
  end(): void;
  /** Tells the client that it will be closed at a moment, if it can understand that. */
  notice(code: number, msg: string, at: number): void;
}

/** The socket of one signalling client: its life, its heartbeat, and its lag. */
export class SignallingLink implements SocketHandler, HeartbeatMember {
  pingedAt = 0;
  bagIndex = -1;
  readonly #context: LinkContext;
  readonly version: SignalVersion;
  readonly user: LinkUser;
  #socket: MessageSocket | undefined;
  #slot = -1;
  #timer: TimerHandle | undefined;
  /** Why the link ends once what is buffered has left. */
  #ending: CloseName | undefined;

  constructor(
    context: LinkContext,
    version: SignalVersion,
    user: (link: SignallingLink) => LinkUser,
  ) {
    this.#context = context;
    this.version = version;
    this.user = user(this);
  }

  /** Undefined before it opened and after it closed. */
  get socket(): MessageSocket | undefined {
    return this.#socket;
  }

  get isReady(): boolean {
    return this.#socket?.getBufferedAmount() === 0;
  }

  opened(socket: MessageSocket): void {
    this.#socket = socket;
    this.#slot = this.#context.enter(this);
    this.user.begin();
  }

  message(_socket: MessageSocket, message: string | Uint8Array): void {
    if (this.#socket === undefined) return;
    if (typeof message === "string") this.#close(UNSUPPORTED_DATA, "binary messages only");
    else this.user.receive(message);
  }

  ponged(_socket: MessageSocket, payload: Uint8Array): void {
    if (this.pingedAt !== 0) this.#context.measured(payload);
    this.pingedAt = 0;
  }

  drained(socket: MessageSocket): void {
    if (this.#ending === undefined || socket.getBufferedAmount() > 0) return;
    this.#stopTimer();
    const { code, reason } = closingOf(this.#ending, this.version);
    socket.close(code, reason);
  }

  closed(): void {
    this.#end();
    this.#stopTimer();
  }

  /** Answers false when the message has to wait behind others, or was lost. */
  send(message: Uint8Array): boolean {
    const socket = this.#socket;
    return socket === undefined || socket.send(message) > 0;
  }

  ping(payload: Uint8Array): void {
    this.#socket?.ping(payload);
  }

  close(name: CloseName): void {
    const { code, reason } = closingOf(name, this.version);
    this.#close(code, reason);
  }

  /**
   * Ends the link of a client that lost a message: it gets what is buffered, then the close; if it
   * does not read for five seconds it is cut off.
   */
  closeWhenRead(reason: CloseName): void {
    const socket = this.#socket;
    if (socket === undefined || this.#ending !== undefined) return;
    this.#ending = reason;
    this.#end();
    this.#timer = this.#context.after(ENDING_GRACE_MS, () => socket.terminate());
  }

  #close(code: number, reason: string): void {
    const socket = this.#socket;
    this.#end();
    socket?.close(code, reason);
  }

  #end(): void {
    if (this.#socket === undefined) return;
    this.user.end();
    this.#context.leave(this, this.#slot);
    this.#socket = undefined;
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#context.clear(this.#timer);
    this.#timer = undefined;
  }
}
