import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock, TimerHandle } from "../../ports.ts";
import type { Reader } from "./reader.ts";

/** How long a worker waits for the node. */
export type Patience =
  /** Five seconds. */
  | "usual"
  /** A second, or until the link is down: there is something else to do then. */
  | "brief"
  /** Twenty seconds: a key may be another delivery's for fifteen. */
  | "long"
  /** Until the node is given up. */
  | "endless";

const PATIENCE_MS: Readonly<Record<Patience, number>> = {
  brief: 1_000,
  usual: 5_000,
  long: 20_000,
  endless: Number.POSITIVE_INFINITY,
};

interface Request {
  readonly deadline: number;
  /** Reads the answer and hands it over. */
  readonly answer: (reader: Reader) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Questions to the node that wait for their answers.
 *
 * Those with the same patience come due in the order in which they were asked, so one timer is
 * enough for them all.
 */
class RequestQueue {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly open = new Map<number, Request>();
  #timer: TimerHandle | undefined;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  add(id: number, answer: (reader: Reader) => void, reject: (error: unknown) => void): void {
    const deadline = this.#clock.now() + this.#delayMs;
    this.open.set(id, { deadline, answer, reject });
    if (Number.isFinite(this.#delayMs)) this.#schedule(this.#delayMs);
  }

  failAll(error: StarlingError): void {
    const all = [...this.open.values()];
    this.open.clear();
    for (const { reject } of all) reject(error);
  }

  /** The timer stays when answers come, since another question mostly follows. */
  #schedule(delayMs: number): void {
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#expire();
    }, delayMs);
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const [id, { deadline, reject }] of this.open) {
      if (deadline > now) {
        this.#schedule(Math.min(deadline - now, this.#delayMs));
        return;
      }
      this.open.delete(id);
      reject(new StarlingError("broker_unavailable"));
    }
  }

  dispose(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
  }
}

const PATIENCES = ["brief", "usual", "long", "endless"] as const satisfies readonly Patience[];

/** All questions of a worker to its node; the number of one says how patient it is. */
export class Requests {
  readonly #queues: Readonly<Record<Patience, RequestQueue>>;
  #last = 0;

  constructor(clock: Clock) {
    const queue = (patience: Patience) => new RequestQueue(clock, PATIENCE_MS[patience]);
    this.#queues = {
      brief: queue("brief"),
      usual: queue("usual"),
      long: queue("long"),
      endless: queue("endless"),
    };
  }

  /** The number of the next question. */
  nextId(patience: Patience): number {
    this.#last++;
    return this.#last * PATIENCES.length + PATIENCES.indexOf(patience);
  }

  /** Waits for the answer to a question that was sent. */
  wait<T>(id: number, read: (reader: Reader) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queueOf(id)?.add(id, (reader) => resolve(read(reader)), reject);
    });
  }

  /** An answer; one that nobody waits for any more is passed over. */
  answered(id: number, reader: Reader): void {
    const outer = reader.enter();
    const request = this.#take(id);
    try {
      request?.answer(reader);
    } catch (error) {
      request?.reject(new StarlingError("broker_unavailable"));
      throw error;
    }
    reader.leave(outer);
  }

  /** Answers whether somebody waited. */
  failed(id: number, error: unknown): boolean {
    const request = this.#take(id);
    request?.reject(error);
    return request !== undefined;
  }

  /** Nobody who is not patient waits any more. */
  failBrief(): void {
    this.#queues.brief.failAll(new StarlingError("broker_unavailable"));
  }

  /** No answer will come. */
  failAll(): void {
    const error = new StarlingError("broker_unavailable");
    for (const patience of PATIENCES) this.#queues[patience].failAll(error);
  }

  dispose(): void {
    this.failAll();
    for (const patience of PATIENCES) this.#queues[patience].dispose();
  }

  #take(id: number): Request | undefined {
    const open = this.#queueOf(id)?.open;
    const request = open?.get(id);
    open?.delete(id);
    return request;
  }

  #queueOf(id: number): RequestQueue | undefined {
    const patience = PATIENCES[id % PATIENCES.length];
    return patience === undefined ? undefined : this.#queues[patience];
  }
}
