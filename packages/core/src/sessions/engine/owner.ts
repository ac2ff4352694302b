import type { CloseName } from "@starling/protocol/close-codes.ts";
import { type Answer, whenAnswered } from "../../answer.ts";
import type { Cancellation } from "../../broker/broker.ts";
import type { Clock } from "../../ports.ts";
import {
  type EngineCluster,
  type GoneSession,
  type PassedRequest,
  type PeekAnswer,
  type ProbeName,
  Question,
  type TakeAnswer,
} from "./cluster.ts";
import { engineRefusal, type HttpAnswer } from "./http.ts";
import { RemoteProbe } from "./remote-probe.ts";
import { answerRequest } from "./requests.ts";
import type { EngineSession } from "./session.ts";
import type { UnderWay } from "./under-way.ts";

export interface SessionOwnerOptions<Data> {
  readonly cluster: EngineCluster<Data>;
  readonly clock: Clock;
  readonly underWay: UnderWay<EngineSession<Data>>;
  /** A session of this worker that polls, or once did. */
  find(id: string): EngineSession<Data> | undefined;
}

/**
 * Milliseconds after a gap for which no session leaves that was there before: those that may have
 * missed something are closed within that time, and only here is it known who they are.
 */
export const GAP_MS = 10_000;

/** Answers what other workers ask about the sessions of this one. */
export class SessionOwner<Data> {
  readonly #options: SessionOwnerOptions<Data>;
  #gapAt = Number.NEGATIVE_INFINITY;

  constructor(options: SessionOwnerOptions<Data>) {
    this.#options = options;
  }

  /** Registers for the questions. */
  listen(): void {
    const options = this.#options;
    const { handlers } = options.cluster;
    handlers.method(Question.knows, (sid) => options.find(sid as string) !== undefined);
    handlers.method(Question.request, (request, cancellation) =>
      this.#answer(request as PassedRequest, cancellation),
    );
    handlers.method(Question.lost, (sid) => options.find(sid as string)?.lose());
    handlers.method(Question.hurry, (sid) => options.find(sid as string)?.hurryPoll());
    handlers.method(Question.probe, (name) => this.#probe(name as ProbeName));
    handlers.method(Question.unprobe, (name) => this.#unprobe(name as ProbeName));
    handlers.method(Question.peek, (name) => this.#peek(name as ProbeName));
    handlers.method(Question.take, (name) => this.#takeCaughtUp(name as ProbeName));
    handlers.onMissed(() => {
      this.#gapAt = options.clock.now();
    });
  }

  #answer(
    { sid, method, body }: PassedRequest,
    cancellation: Cancellation,
  ): HttpAnswer | Promise<HttpAnswer> {
    const session = this.#options.find(sid);
    if (session === undefined) return engineRefusal("unknownSession");
    return answerRequest(session, {
      method,
      readBody: () => Promise.resolve(body),
      onAbort: (callback) => cancellation.onCancel(callback),
    });
  }

  #probe({ sid, probe }: ProbeName): boolean {
    const session = this.#options.find(sid);
    // A client whose socket is refused that early goes on polling, and is told of the gap that way.
    if (session === undefined || this.#mustStay(session)) return false;
    return session.probeFrom(new RemoteProbe(probe));
  }

  #unprobe(name: ProbeName): void {
    const probed = this.#probed(name);
    probed?.session.dropProbe(probed.probe);
  }

  #peek(name: ProbeName): Promise<PeekAnswer> {
    return new Promise((resolve) => {
      const session = this.#options.find(name.sid);
      const probed = this.#probed(name);
      if (probed !== undefined) probed.probe.isAwaited = true;
      if (session === undefined) resolve(this.#gone(name));
      // What is under way may end in another channel, or in a frame that only this worker can send.
      else this.#options.underWay.whenIdle(session, () => resolve(this.#describe(name)));
    });
  }

  #describe(name: ProbeName): PeekAnswer {
    const probed = this.#probed(name);
    if (probed === undefined) return this.#gone(name);
    const description = this.#options.cluster.mover.describe(probed.session);
    probed.probe.followedBy(JSON.stringify(description));
    return { is: "there", description };
  }

  #takeCaughtUp(name: ProbeName): Answer<TakeAnswer> {
    const probed = this.#probed(name);
    if (probed === undefined) return this.#gone(name);
    const caughtUp = this.#options.cluster.mover.caughtUp(probed.session);
    return whenAnswered(caughtUp, () => this.#take(name));
  }

  #take(name: ProbeName): TakeAnswer {
    const { cluster, underWay } = this.#options;
    const probed = this.#probed(name);
    if (probed === undefined || probed.probe.isOverfull) return this.#gone(name);
    const { session, probe } = probed;
    if (this.#mustStay(session)) return this.#gone(name, "messages_missed");
    const description = JSON.stringify(cluster.mover.describe(session));
    if (underWay.isBusy(session) || description !== probe.description) return { is: "changed" };
    // From here to the end nothing else happens, so what is delivered is delivered before or elsewhere.
    const state = cluster.mover.release(session);
    return { is: "taken", state, frames: session.handOver(), ids: [...probe.ids] };
  }

  #mustStay({ since }: EngineSession<Data>): boolean {
    return since <= this.#gapAt && this.#options.clock.now() < this.#gapAt + GAP_MS;
  }

  #gone({ sid }: ProbeName, reason: CloseName = "internal_error"): GoneSession {
    return { is: "gone", reason, farewell: this.#options.find(sid)?.takeFarewell() ?? [] };
  }

  /** The open session that this very probe is for. */
  #probed({
    sid,
    probe: key,
  }: ProbeName): { session: EngineSession<Data>; probe: RemoteProbe } | undefined {
    const session = this.#options.find(sid);
    const probe = session?.remoteProbe;
    if (session === undefined || !session.isOpen || probe?.key !== key) return undefined;
    return { session, probe };
  }
}
