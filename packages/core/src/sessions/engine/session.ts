import { type CloseName, closeCatalogue } from "@starling/protocol/close-codes.ts";
import { decodePayload } from "engine.io-parser";
import type { Frame } from "../../hub/subscriber.ts";
import type { MessageSocket, TimerHandle } from "../../ports.ts";
import type { SocketHandler } from "../socket-handler.ts";
import type { EngineContext } from "./context.ts";
import type { HeartbeatMember } from "./heartbeat.ts";
import { engineRefusal, type HttpAnswer, textAnswer } from "./http.ts";
import { PacketType, PROBE_PING, PROBE_PONG } from "./packets.ts";
import { PollingState, type Respond } from "./polling.ts";
import { RemoteProbe } from "./remote-probe.ts";

/** Why a session ended: a close of the catalogue, or the client's own doing. */
export type EngineCloseReason = CloseName | "transport_close" | "client_close";

/**
 * `opening`: not yet known to the server; `open`; `ending`: the handler was told, and only what
 * waits for the client is still to leave; `closed`.
 */
type State = "opening" | "open" | "ending" | "closed";

/** How long the client may take to fetch the last of what waits for it. */
const ENDING_GRACE_MS = 5_000;
/** How long an upgrade may take from the probe's socket to the upgrade packet. */
export const UPGRADE_TIMEOUT_MS = 10_000;
/** How long a move to another worker may take from its upgrade packet on. */
export const MOVE_TIMEOUT_MS = 10_000;
/** How long a poll may wait while the client upgrades; short, since the client waits for it. */
const UPGRADE_NOOP_MS = 100;
/**
 * The answer to a post, also of a session that is ending: a client that is refused gives its session
 * up, and does not fetch what waits for it.
 */
const RECEIVED: HttpAnswer = { status: 200, contentType: "text/html", body: "ok" };

/** One Engine.IO session over long-polling, WebSocket, or first the one and then the other. */
export class EngineSession<Data> implements SocketHandler, HeartbeatMember {
  readonly id: string;
  /** When it came to this worker, ms since the epoch. */
  readonly since: number;
  /** What the handler keeps for this session. */
  data: Data;
  pingedAt = 0;
  bagIndex = -1;
  readonly #context: EngineContext<Data>;
  #state: State = "opening";
  #slot = -1;
  #socket: MessageSocket | undefined;
  #polling: PollingState | undefined;
  /** A second socket, here or at another worker, that tests the way before the session moves to it. */
  #probe: MessageSocket | RemoteProbe | undefined;
  #timer: TimerHandle | undefined;
  /** What the client is told of the end, where that has to wait. */
  #farewell: CloseName = "slow_consumer";

  constructor(id: string, data: Data, context: EngineContext<Data>) {
    this.id = id;
    this.since = context.clock.now();
    this.data = data;
    this.#context = context;
  }

  /** The socket that carries the session; undefined while it polls. */
  get socket(): MessageSocket | undefined {
    return this.#socket;
  }

  get isPolling(): boolean {
    return this.#polling !== undefined;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Whether a frame sent now would leave at once. */
  get isReady(): boolean {
    if (this.#socket !== undefined) return this.#socket.getBufferedAmount() === 0;
    // Who has stopped polling takes what there is along to the other worker.
    return this.remoteProbe?.isAwaited === true || (this.#polling?.isWaiting ?? false);
  }

  /** Begins a session over long-polling; answers the open packet. */
  openPolling(): HttpAnswer {
    this.#polling = new PollingState(this.#context.slowConsumerBytes);
    this.#begin();
    const answer = textAnswer(this.#context.openPacket(this.id, ["websocket"]));
    this.#context.handler.open(this);
    return answer;
  }

  /** A complete packet, such as a publication that was encoded once for many sessions. */
  sendFrame(frame: Frame): void {
    if (this.#state !== "open") return;
    const kept =
      this.#socket === undefined
        ? (this.#polling?.push(frame) ?? false)
        : this.#socket.send(frame) > 0 || !this.#isOverLimit(this.#socket);
    if (!kept) this.cutSlow();
  }

  /** The frames of a publication; `id` is that of the publication where it has one. */
  deliver(frames: readonly Frame[], id?: number): void {
    for (const frame of frames) this.sendFrame(frame);
    if (id === undefined || this.#polling === undefined) return;
    this.#polling.lastIds.remember(id);
    this.remoteProbe?.remember(id);
  }

  /** A message of the layer above; bytes travel as they are, text gets its packet type. */
  send(message: string | Uint8Array): void {
    this.sendFrame(typeof message === "string" ? PacketType.message + message : message);
  }

  /** The session stays at this worker until that has settled. */
  track(work: Promise<unknown>): void {
    this.#context.underWay.track(this, work);
  }

  /**
   * Ends the session because it lost a frame. Nothing more is queued for it; once it has read what
   * was, it is told why, and if it does not read for five seconds it is cut off.
   */
  cutSlow(): void {
    if (this.#state !== "open") return;
    this.#context.counters.slowConsumers++;
    this.#end("slow_consumer");
    this.#endLater("slow_consumer");
  }

  /** Ends the session and tells the client, by a close code or a close packet. */
  close(reason: CloseName): void {
    if (this.#state !== "open") return;
    this.#end(reason);
    const socket = this.#socket;
    if (socket !== undefined) {
      this.#finish();
      socket.close(closeCatalogue[reason].code, closeCatalogue[reason].reason);
    } else {
      this.#endLater(reason);
    }
  }

  /** Ends a session whose client did not answer a ping, and will not fetch a goodbye either. */
  expire(): void {
    this.close("ping_timeout");
    this.#finish();
  }

  /** Pings a polling session; sessions with a socket are pinged through a native topic. */
  pingPolling(): void {
    if (this.#socket === undefined) this.sendFrame(PacketType.ping);
  }

  // Long-polling

  /** A GET of the session. */
  poll(respond: Respond): void {
    const polling = this.#polling;
    if (polling === undefined || this.#state === "closed") {
      respond(engineRefusal("badRequest"));
      return;
    }
    if (polling.isWaiting) {
      respond(engineRefusal("badRequest"));
      this.#malformed("a second poll at the same time");
      return;
    }
    polling.wait(respond);
    if (this.#state === "ending") this.#endPoll(polling);
    if (this.#probe !== undefined) this.#scheduleNoop(polling);
  }

  /** The client of a poll went away before it had all of its answer, which is lost. */
  pollAborted(respond: Respond): void {
    this.#polling?.abandon(respond);
    this.lose();
  }

  /** What a polling client was sent did not reach it. */
  lose(): void {
    if (this.#polling !== undefined) this.#lost("transport_close");
  }

  /** Answers the poll that waits, if one does, so that the next may come another way. */
  hurryPoll(): void {
    if (this.#state === "open") this.#polling?.answerWith(textAnswer(PacketType.noop));
  }

  /** A POST of the session; its body is read only when the session can take it. */
  post(readBody: () => Promise<string | HttpAnswer>): Promise<HttpAnswer> {
    const answer = this.#post(readBody);
    this.track(answer);
    return answer;
  }

  // The socket, or the probe of an upgrade

  /** Whether a socket may now try to take over from polling. */
  get canProbe(): boolean {
    return this.#state === "open" && this.#polling !== undefined && this.#probe === undefined;
  }

  opened(socket: MessageSocket): void {
    if (this.#state === "opening") {
      this.#socket = socket;
      this.#begin();
      socket.send(this.#context.openPacket(this.id, []));
      socket.subscribe(this.#context.pingTopic(this.#slot));
      this.#context.handler.open(this);
      return;
    }
    if (!this.canProbe) {
      // Closed only now: stock clients take a refused handshake for an error of the network.
      const { code, reason } = closeCatalogue.malformed_packet;
      socket.close(code, reason);
      return;
    }
    this.#probe = socket;
    this.#timer = this.#context.clock.setTimeout(() => socket.terminate(), UPGRADE_TIMEOUT_MS);
  }

  // Another worker that has the socket

  get remoteProbe(): RemoteProbe | undefined {
    return this.#probe instanceof RemoteProbe ? this.#probe : undefined;
  }

  /** Lets a socket of another worker test the way; answers whether it may. */
  probeFrom(probe: RemoteProbe): boolean {
    const polling = this.#polling;
    if (polling === undefined || !this.canProbe) return false;
    this.#probe = probe;
    // Over NATS the other worker may be about to get what the client has had before it asked.
    for (const id of polling.lastIds) probe.remember(id);
    // The other worker gives up first, unless it is gone.
    const timeoutMs = 2 * (UPGRADE_TIMEOUT_MS + MOVE_TIMEOUT_MS);
    this.#timer = this.#context.clock.setTimeout(() => this.dropProbe(probe), timeoutMs);
    this.#scheduleNoop(polling);
    return true;
  }

  dropProbe(probe: RemoteProbe): void {
    if (probe === this.#probe) this.#dropProbe(this.#polling);
  }

  /** What the client of a session that has ended did not fetch; nothing of one that goes on. */
  takeFarewell(): readonly Frame[] {
    if (this.#state !== "ending") return [];
    this.#finish();
    return this.#polling?.drain() ?? [];
  }

  /** Ends the session here, since it goes on at another worker; answers what waits for its client. */
  handOver(): readonly Frame[] {
    const polling = this.#polling;
    this.#dropProbe(polling);
    this.#context.leaveHeartbeat(this, this.#slot);
    polling?.answerWith(textAnswer(PacketType.noop));
    this.#finish();
    return polling?.drain() ?? [];
  }

  /** Goes on over a socket with a session that another worker handed over. */
  takeOver(socket: MessageSocket): void {
    this.#socket = socket;
    this.#begin();
    socket.subscribe(this.#context.pingTopic(this.#slot));
  }

  message(socket: MessageSocket, message: string | Uint8Array): void {
    if (socket === this.#socket) {
      if (this.#state === "open") this.#receiveFrame(message);
    } else if (socket === this.#probe) {
      this.#receiveProbe(socket, message);
    }
  }

  drained(socket: MessageSocket): void {
    if (socket !== this.#socket || this.#state !== "ending") return;
    if (socket.getBufferedAmount() > 0) return;
    this.#finish();
    const { code, reason } = closeCatalogue[this.#farewell];
    socket.close(code, reason);
  }

  closed(socket: MessageSocket): void {
    if (socket === this.#probe) this.#dropProbe(this.#polling);
    else if (socket === this.#socket) this.#lost("transport_close");
  }

  // Inside

  #begin(): void {
    this.#state = "open";
    this.#slot = this.#context.enter(this);
  }

  async #post(readBody: () => Promise<string | HttpAnswer>): Promise<HttpAnswer> {
    const polling = this.#polling;
    if (polling === undefined || this.#state === "closed") return engineRefusal("badRequest");
    if (this.#state === "ending") return RECEIVED;
    if (polling.posting) {
      this.#malformed("a second post at the same time");
      return engineRefusal("badRequest");
    }
    polling.posting = true;
    try {
      const body = await readBody();
      if (typeof body !== "string") return body;
      return this.#receivePayload(body);
    } finally {
      polling.posting = false;
    }
  }

  #receiveFrame(message: string | Uint8Array): void {
    if (typeof message !== "string") {
      this.#handle(message);
      return;
    }
    switch (message[0]) {
      case PacketType.message:
        this.#handle(message.slice(1));
        return;
      case PacketType.pong:
        this.pingedAt = 0;
        return;
      case PacketType.close:
        this.#clientClosed();
        return;
      case PacketType.noop:
        return;
      default:
        this.#malformed("unknown Engine.IO packet type");
    }
  }

  #receivePayload(body: string): HttpAnswer {
    for (const packet of decodePayload(body)) {
      if (this.#state === "closed") return engineRefusal("badRequest");
      if (this.#state === "ending") return RECEIVED;
      if (packet.type === "message") {
        const data: unknown = packet.data ?? "";
        if (typeof data === "string" || data instanceof Uint8Array) this.#handle(data);
      } else if (packet.type === "pong") {
        this.pingedAt = 0;
      } else if (packet.type === "close") {
        this.#clientClosed();
      } else if (packet.type !== "noop") {
        this.#malformed("unknown Engine.IO packet type");
        return engineRefusal("badRequest");
      }
    }
    return RECEIVED;
  }

  /** Whatever a message makes the layers above throw ends this session, not the process. */
  #handle(message: string | Uint8Array): void {
    try {
      this.#context.handler.message(this, message);
    } catch (error) {
      this.#context.log.warn({ session: this.id, error }, "a message could not be handled");
      this.#malformed("unhandled error");
    }
  }

  #receiveProbe(socket: MessageSocket, message: string | Uint8Array): void {
    const polling = this.#polling;
    if (message === PROBE_PING && this.#state === "open") {
      socket.send(PROBE_PONG);
      if (polling !== undefined) this.#scheduleNoop(polling);
    } else if (message === PacketType.upgrade && polling !== undefined) {
      this.#upgrade(socket, polling);
    } else {
      socket.terminate();
    }
  }

  #upgrade(socket: MessageSocket, polling: PollingState): void {
    this.#dropProbe(polling);
    polling.answerWith(textAnswer(PacketType.noop));
    this.#polling = undefined;
    this.#socket = socket;
    if (this.#state === "ending") {
      for (const frame of polling.drain()) socket.send(frame);
      this.drained(socket);
      return;
    }
    socket.subscribe(this.#context.pingTopic(this.#slot));
    for (const frame of polling.drain()) this.sendFrame(frame);
    if (this.#state === "open") this.#context.handler.upgraded(this);
  }

  #dropProbe(polling: PollingState | undefined): void {
    this.#probe = undefined;
    // After the end of the session the timer is no longer that of the probe.
    if (this.#state === "open") this.#stopTimer();
    if (polling?.noopTimer !== undefined) this.#context.clock.clearTimeout(polling.noopTimer);
  }

  /** The client stops polling only once its last poll is answered. */
  #scheduleNoop(polling: PollingState): void {
    if (polling.noopTimer !== undefined) this.#context.clock.clearTimeout(polling.noopTimer);
    polling.noopTimer = this.#context.clock.setTimeout(() => {
      polling.noopTimer = undefined;
      if (this.#probe !== undefined) polling.answerWith(textAnswer(PacketType.noop));
    }, UPGRADE_NOOP_MS);
  }

  #clientClosed(): void {
    this.#polling?.answerWith(textAnswer(PacketType.noop));
    const socket = this.#socket;
    this.#lost("client_close");
    socket?.close(1000, "");
  }

  #malformed(why: string): void {
    this.#context.counters.malformedPackets++;
    this.#context.log.debug({ session: this.id, why }, "malformed packet");
    this.close("malformed_packet");
    // A polling client that broke the protocol has its refusal already and need not fetch another.
    this.#finish();
  }

  /** The client is gone, or said so: nothing can be told to it any more. */
  #lost(reason: EngineCloseReason): void {
    if (this.#state === "open") this.#end(reason);
    this.#finish();
  }

  /** Leaves the state `open`; what is still buffered may leave afterwards. */
  #end(reason: EngineCloseReason): void {
    this.#state = "ending";
    this.#stopTimer();
    // Another worker finds out when it asks for the session. A socket of this one stays, since the
    // stock client that has stopped polling for it and loses it does nothing until its ping timeout.
    if (this.#probe instanceof RemoteProbe) this.#dropProbe(this.#polling);
    this.#socket?.unsubscribe(this.#context.pingTopic(this.#slot));
    this.#context.leaveHeartbeat(this, this.#slot);
    this.#context.handler.close(this, reason);
  }

  /** Gives the client time to take what waits for it, and the close behind it. */
  #endLater(reason: CloseName): void {
    this.#farewell = reason;
    this.#timer = this.#context.clock.setTimeout(() => {
      this.#finish();
      this.#socket?.terminate();
    }, ENDING_GRACE_MS);
    if (this.#polling !== undefined) this.#endPoll(this.#polling);
  }

  /**
   * The close packet comes alone, after whatever waited: the stock client acts on it before it has
   * looked at the messages that came with it.
   */
  #endPoll(polling: PollingState): void {
    if (!polling.isWaiting) return;
    polling.answerWith(textAnswer(PacketType.close));
    this.#finish();
  }

  #finish(): void {
    this.#stopTimer();
    if (this.#state === "closed") return;
    this.#state = "closed";
    const probe = this.#probe;
    this.#dropProbe(this.#polling);
    if (probe !== undefined && !(probe instanceof RemoteProbe)) probe.terminate();
    this.#context.forget(this);
  }

  #isOverLimit(socket: MessageSocket): boolean {
    return socket.getBufferedAmount() > this.#context.slowConsumerBytes;
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#context.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
