import { type CloseName, closeCatalogue } from "@starling/protocol/close-codes.ts";
import type { Cancellation, WorkerId } from "../../broker/broker.ts";
import { CancellationSource } from "../../broker/cancellation.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Position } from "../../hub/position.ts";
import type { Frame } from "../../hub/subscriber.ts";
import type { Clock, Log, MessageSocket, TimerHandle } from "../../ports.ts";
import type { SocketHandler } from "../socket-handler.ts";
import {
  type EngineCluster,
  type Followed,
  type Follower,
  type Following,
  type PeekAnswer,
  type ProbeName,
  Question,
  type TakeAnswer,
  type TakenSession,
} from "./cluster.ts";
import { FrameQueue } from "./frame-queue.ts";
import { PacketType, PROBE_PING, PROBE_PONG } from "./packets.ts";
import { type EngineSession, MOVE_TIMEOUT_MS, UPGRADE_TIMEOUT_MS } from "./session.ts";

/** What an arrival needs of the server it arrives at. */
export interface ArrivalContext<Data> {
  readonly cluster: EngineCluster<Data>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly slowConsumerBytes: number;
  /** Makes a session that is yet to take over a socket. */
  createSession(id: string, data: Data): EngineSession<Data>;
  enter(arrival: Arrival<Data>): void;
  leave(arrival: Arrival<Data>): void;
}

/**
 * `asking` the owner whether it may test the way; `probing`; `moving` the session here; `arrived`;
 * `over`.
 */
type State = "asking" | "probing" | "moving" | "arrived" | "over";

/** How often a session may change between the look at it and its leaving. */
const MAX_ROUNDS = 5;

/**
 * A socket that wants a session of another worker, which moves here with the upgrade packet.
 *
 * Nothing is lost and nothing doubled: this worker follows what the session receives before it asks
 * for it. Whatever is passed on after that is known comes here; whatever was passed on before has reached
 * the owner before it answers, and is left out here. So is what the owner says it delivered since the
 * first look, for which this worker waits: over NATS some of it may be still to come.
 */
export class Arrival<Data> implements SocketHandler, Follower {
  readonly #context: ArrivalContext<Data>;
  readonly #owner: WorkerId;
  readonly #name: ProbeName;
  #state: State = "asking";
  #socket: MessageSocket | undefined;
  #timer: TimerHandle | undefined;
  #cancellation: CancellationSource | undefined = new CancellationSource();
  /** What the client sent too early to be handled. */
  #early: FrameQueue<{ readonly frames: readonly Frame[] }> | undefined;
  /** What the session received since it is followed. */
  #followed: FrameQueue<Followed> | undefined;
  #following: Following | undefined;
  /** What the owner has handed over, until the session is here. */
  #taken: TakenSession | undefined;
  #session: EngineSession<Data> | undefined;
  /** Whether the owner has been asked for the session, and may have let go of it. */
  #isTaking = false;
  /** Why the session is to end as soon as it is here; undefined where that was the fault of the way to here. */
  #closedFor: CloseName | undefined;

  constructor(context: ArrivalContext<Data>, owner: WorkerId, name: ProbeName) {
    this.#context = context;
    this.#owner = owner;
    this.#name = name;
  }

  // The socket

  opened(socket: MessageSocket): void {
    this.#socket = socket;
    this.#context.enter(this);
    this.#early = new FrameQueue(this.#context.slowConsumerBytes);
    this.#giveUpAfter(UPGRADE_TIMEOUT_MS);
    this.#ask(Question.probe).then(
      (isGranted) => this.#granted(isGranted === true),
      () => this.close("internal_error"),
    );
  }

  message(socket: MessageSocket, message: string | Uint8Array): void {
    if (this.#session !== undefined) this.#session.message(socket, message);
    else if (this.#state === "probing") this.#receiveProbe(socket, message);
    else if (this.#early?.push({ frames: [message] }) === false) this.close("limit_exceeded");
  }

  drained(socket: MessageSocket): void {
    this.#session?.drained(socket);
  }

  closed(socket: MessageSocket): void {
    // Its client may come back to what has left its owner.
    if (this.#taken !== undefined) this.#open(socket, this.#taken, []);
    if (this.#session !== undefined) this.#session.closed(socket);
    else this.#end();
  }

  // The session, as long as it is followed

  deliver(followed: Followed): void {
    if (this.#followed?.push(followed) !== false) return;
    this.#context.counters.slowConsumers++;
    this.close("slow_consumer");
  }

  /** Gives the session up, if it is not here yet; its client is told to come back, or not to. */
  close(reason: CloseName, farewell: readonly Frame[] = []): void {
    if (this.#isTaking && reason !== "internal_error") this.#closedFor ??= reason;
    if (this.#state === "arrived" || this.#state === "over") return;
    if (this.#taken !== undefined && this.#socket !== undefined) {
      this.#context.counters.failedMoves++;
      // Its client has what the owner had for it, and nothing else, so that it can go on behind that.
      const session = this.#open(this.#socket, this.#taken, []);
      for (const frame of farewell) session.sendFrame(frame);
      session.close(reason);
      return;
    }
    if (this.#state === "moving") {
      this.#context.counters.failedMoves++;
      // Its client polls no more, and is about to lose its socket.
      this.#tell(Question.lost, this.#name.sid);
    }
    this.#end();
    for (const frame of farewell) this.#socket?.send(frame);
    this.#socket?.close(closeCatalogue[reason].code, closeCatalogue[reason].reason);
  }

  /** Publications may have been lost on their way here. */
  missed(): void {
    if (this.#state === "moving") this.close("messages_missed");
  }

  // Inside

  #granted(isGranted: boolean): void {
    if (this.#state !== "asking") return;
    if (!isGranted) {
      this.close("malformed_packet");
      return;
    }
    this.#state = "probing";
    this.#handleEarly();
  }

  #receiveProbe(socket: MessageSocket, message: string | Uint8Array): void {
    if (message === PROBE_PING) {
      socket.send(PROBE_PONG);
    } else if (message === PacketType.upgrade) {
      this.#state = "moving";
      this.#giveUpAfter(MOVE_TIMEOUT_MS);
      this.#move().catch((error: unknown) => {
        this.#context.log.warn({ session: this.#name.sid, error }, "a session could not be moved");
        this.close("internal_error");
        this.#stopFollowing();
      });
    } else {
      this.#end();
      socket.terminate();
    }
  }

  async #move(): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const peeked = (await this.#ask(Question.peek)) as PeekAnswer;
      if (this.#state !== "moving") return;
      if (peeked.is === "gone") {
        this.close(peeked.reason, peeked.farewell);
        return;
      }
      this.#followed = new FrameQueue(this.#context.slowConsumerBytes);
      const following = this.#context.cluster.mover.follow(peeked.description, this);
      this.#following = following;
      if (following.ready instanceof Promise) {
        await following.ready;
        if (this.#state !== "moving") return;
        this.#followed.drain();
      }
      const taken = await this.#take();
      if (this.#state !== "moving") {
        if (taken.is === "taken") this.#openTooLate(taken);
        this.#stopFollowing();
        return;
      }
      if (taken.is !== "changed") {
        if (taken.is === "taken") await this.#arriveCaughtUp(taken, following);
        else this.close(taken.reason, taken.farewell);
        return;
      }
      this.#stopFollowing();
    }
    this.close("internal_error");
  }

  /** Not to be cancelled: what the owner has let go of is in the answer, and nowhere else. */
  async #take(): Promise<TakeAnswer> {
    this.#isTaking = true;
    try {
      return (await this.#call(Question.take)) as TakeAnswer;
    } finally {
      this.#isTaking = false;
    }
  }

  /** What the owner delivered and this worker has yet to, the session would get twice. */
  async #arriveCaughtUp(taken: TakenSession, following: Following): Promise<void> {
    this.#taken = taken;
    try {
      const caughtUp = following.caughtUp();
      if (caughtUp instanceof Promise) await caughtUp;
    } catch {
      this.close("messages_missed");
    }
    if (this.#state === "moving") this.#arrive(taken);
  }

  #arrive(taken: TakenSession): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const session = this.#open(socket, taken, this.#followed?.drain() ?? []);
    this.#context.counters.sessionsMoved++;
    // The client's patience began at the last ping of the other worker, whose beat was another.
    session.sendFrame(PacketType.ping);
    this.#handleEarly();
  }

  /** The session is here from now on, with what its owner had for it and what it received here. */
  #open(
    socket: MessageSocket,
    { state, frames, ids }: TakenSession,
    followed: readonly Followed[],
  ): EngineSession<Data> {
    const { cluster } = this.#context;
    const session = this.#context.createSession(this.#name.sid, cluster.mover.createData(state));
    this.#state = "arrived";
    this.#session = session;
    this.#taken = undefined;
    this.#stopTimer();
    this.#cancellation = undefined;
    session.takeOver(socket);
    session.deliver(frames);
    for (const frames of unknownFrames(followed, new Set(ids))) session.deliver(frames);
    // Only then does the session receive by itself, and this worker was interested all the time.
    if (session.isOpen) this.#restore(session, state);
    this.#stopFollowing();
    this.#context.leave(this);
    return session;
  }

  /** The socket has ended, and nobody else has the session: it ends here, so that its client can come back to it. */
  #openTooLate(taken: TakenSession): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const session = this.#open(socket, taken, []);
    if (this.#closedFor === undefined) session.closed(socket);
    else session.close(this.#closedFor);
  }

  #restore(session: EngineSession<Data>, state: unknown): void {
    try {
      this.#context.cluster.mover.restore(session, state);
    } catch (error) {
      this.#context.log.warn({ session: session.id, error }, "a session could not go on here");
      session.close("internal_error");
    }
  }

  #handleEarly(): void {
    const socket = this.#socket;
    const early = this.#early?.drain() ?? [];
    if (this.#state === "arrived") this.#early = undefined;
    if (socket === undefined) return;
    for (const { frames } of early) for (const frame of frames) this.message(socket, frame);
  }

  /** The socket is no use any more; the owner, if it still has the session, goes on with it. */
  #end(): void {
    if (this.#state === "arrived" || this.#state === "over") return;
    this.#state = "over";
    this.#stopTimer();
    // What may still come goes on where it was followed; nothing else is wanted of that.
    if (this.#isTaking) this.#followed = undefined;
    else this.#stopFollowing();
    this.#early = undefined;
    this.#context.leave(this);
    this.#cancellation?.cancel();
    this.#tell(Question.unprobe, this.#name);
  }

  #stopFollowing(): void {
    this.#following?.stop();
    this.#following = undefined;
    this.#followed = undefined;
  }

  #ask(question: string): Promise<unknown> {
    return this.#call(question, this.#cancellation);
  }

  #call(question: string, cancellation?: Cancellation): Promise<unknown> {
    return this.#context.cluster.broker.call(this.#owner, question, this.#name, cancellation);
  }

  /** Nothing depends on the answer: an owner that is gone has no session either. */
  #tell(question: string, argument: unknown): void {
    this.#context.cluster.broker.call(this.#owner, question, argument).catch(() => undefined);
  }

  #giveUpAfter(timeoutMs: number): void {
    this.#stopTimer();
    const giveUp = () =>
      this.close(this.#taken === undefined ? "internal_error" : "messages_missed");
    this.#timer = this.#context.clock.setTimeout(giveUp, timeoutMs);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#context.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * What a client is still to be sent of what was followed, beside what it knows by these ids. Of that some may have come
 * here after what the client is sent now, whose cursor would say that it is missing.
 */
function unknownFrames(
  followed: readonly Followed[],
  known: ReadonlySet<number>,
): readonly (readonly Frame[])[] {
  const sent: (readonly Frame[])[] = [];
  const behind: Position[] = [];
  for (const { id, frames, position, framesBehind } of followed.toReversed()) {
    const isKnown = id !== undefined && known.has(id);
    if (isKnown && position !== undefined) behind.push(position);
    if (!isKnown) sent.push(behind.length === 0 ? frames : (framesBehind?.(behind) ?? frames));
  }
  return sent.reverse();
}
