import type { Answer } from "../../answer.ts";
import type { Broker, WorkerId } from "../../broker/broker.ts";
import { CancellationSource } from "../../broker/cancellation.ts";
import type { Counters } from "../../hub/counters.ts";
import { type PassedRequest, Question } from "./cluster.ts";
import { catalogueRefusal, engineRefusal, type HttpAnswer } from "./http.ts";
import type { SessionRequest } from "./requests.ts";

/** A request before it is known whether its session exists. */
export interface ForeignRequest extends SessionRequest {
  /** Bytes that the body is announced to have; undefined where it is not. */
  readonly announcedBytes?: number | undefined;
}

/** Requests that may wait for other workers at one time. */
export const MAX_WAITING = 20_000;

/** A larger body is read only for a session that exists, and one of each session at a time. */
export const SMALL_BODY_BYTES = 16_384;

/** Passes long-polling requests on to the workers that own their sessions. */
export class RequestForwarder {
  readonly #broker: Pick<Broker, "call">;
  readonly #counters: Counters;
  readonly #largeBodies = new Set<string>();
  /** Owners of the sessions that have a poll waiting here. */
  readonly #polls = new Map<string, WorkerId>();
  #waiting = 0;
  #isLeaving = false;

  constructor(broker: Pick<Broker, "call">, counters: Counters) {
    this.#broker = broker;
    this.#counters = counters;
  }

  pass(owner: WorkerId, sid: string, request: ForeignRequest): Answer<HttpAnswer> {
    const { method } = request;
    if (method !== "GET" && method !== "POST") return engineRefusal("badRequest");
    if (this.#waiting >= MAX_WAITING) {
      this.#counters.requestsNotPassedOn++;
      return catalogueRefusal("broker_unavailable");
    }
    this.#waiting++;
    const answer =
      method === "GET" ? this.#poll(owner, sid, request) : this.#post(owner, sid, request);
    return answer
      .catch(() => {
        // The owner is gone, and the session with it: its client comes back with a new one.
        this.#counters.requestsNotPassedOn++;
        return engineRefusal("unknownSession");
      })
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Lets no poll wait here any more: clients that get nothing ask again, elsewhere. */
  leave(): void {
    this.#isLeaving = true;
    for (const [sid, owner] of this.#polls) this.#hurry(owner, sid);
  }

  #poll(owner: WorkerId, sid: string, request: ForeignRequest): Promise<HttpAnswer> {
    const cancellation = new CancellationSource();
    request.onAbort(() => {
      cancellation.cancel();
      // The answer may be on its way already, and with it what nobody will receive.
      this.#broker.call(owner, Question.lost, sid).catch(() => undefined);
    });
    this.#polls.set(sid, owner);
    const answer = this.#ask(owner, { sid, method: "GET", body: "" }, cancellation);
    if (this.#isLeaving) this.#hurry(owner, sid);
    return answer.finally(() => this.#polls.delete(sid));
  }

  #hurry(owner: WorkerId, sid: string): void {
    // An owner that is gone has answered already.
    this.#broker.call(owner, Question.hurry, sid).catch(() => undefined);
  }

  async #post(owner: WorkerId, sid: string, request: ForeignRequest): Promise<HttpAnswer> {
    const { announcedBytes = Number.POSITIVE_INFINITY } = request;
    const body =
      announcedBytes <= SMALL_BODY_BYTES
        ? await request.readBody()
        : await this.#readLarge(owner, sid, request);
    return typeof body === "string" ? this.#ask(owner, { sid, method: "POST", body }) : body;
  }

  async #readLarge(
    owner: WorkerId,
    sid: string,
    request: ForeignRequest,
  ): Promise<string | HttpAnswer> {
    if (this.#largeBodies.has(sid)) return engineRefusal("badRequest");
    this.#largeBodies.add(sid);
    try {
      const isKnown = await this.#broker.call(owner, Question.knows, sid);
      return isKnown === true ? await request.readBody() : engineRefusal("unknownSession");
    } finally {
      this.#largeBodies.delete(sid);
    }
  }

  async #ask(
    owner: WorkerId,
    request: PassedRequest,
    cancellation?: CancellationSource,
  ): Promise<HttpAnswer> {
    this.#counters.requestsPassedOn++;
    return (await this.#broker.call(owner, Question.request, request, cancellation)) as HttpAnswer;
  }
}
