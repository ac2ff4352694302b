import type { Answer } from "../../answer.ts";
import type { Broker, WorkerId } from "../../broker/broker.ts";
import type { WorkerHandlers } from "../../broker/handlers.ts";
import type { Clock } from "../../ports.ts";
import { ownerOf } from "../engine/session-id.ts";
import type { Claim, KeptState, KeptStates } from "./kept-states.ts";

/** What workers ask one another about connections whose clients come back. */
const Question = {
  /** The state of a connection that ended here, or that has not been noticed to be dead: a `Claim`. */
  take: "socketio.take",
  /** Whether states can be had over: answered by the worker's id, or undefined. */
  heir: "socketio.heir",
  /** Take these states over. */
  adopt: "socketio.adopt",
} as const;

/** States that are handed over at a time. */
const BATCH = 500;
/** How long all of them may take, ms: a worker that leaves is not waited for much longer. */
const LEAVE_MS = 2_000;

export interface ReturnsOptions {
  readonly broker: Pick<Broker, "worker" | "call" | "gather">;
  readonly handlers: Pick<WorkerHandlers, "method">;
  readonly kept: KeptStates;
  readonly clock: Clock;
  /** Ends a connection of this worker whose client is back already, so that its state is kept. */
  end(claim: Claim): void;
}

/** Finds the states of connections whose clients come back, at whichever worker those ended. */
export class Returns {
  readonly #options: ReturnsOptions;
  #isLeaving = false;

  constructor(options: ReturnsOptions) {
    this.#options = options;
    const { handlers, kept, broker } = options;
    handlers.method(Question.take, (claim) => this.#takeOwn(claim as Claim));
    handlers.method(Question.heir, () => (this.#isLeaving ? undefined : broker.worker));
    handlers.method(Question.adopt, (states) => {
      for (const state of states as readonly KeptState[]) kept.add(state);
    });
  }

  /** The state, which nobody else gets any more. */
  take(claim: Claim): Answer<KeptState | undefined> {
    const own = this.#takeOwn(claim);
    const owner = this.#options.broker.worker === 0 ? undefined : ownerOf(claim.pid);
    // Who names no worker was not given its proof by this node.
    if (own !== undefined || owner === undefined) return own;
    return this.#takeElsewhere(owner, claim);
  }

  /** Hands what is kept here to the worker that came last, as far as there is time. */
  leave(): Promise<void> {
    this.#isLeaving = true;
    const { broker, kept, clock } = this.#options;
    if (broker.worker === 0 || kept.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = clock.setTimeout(resolve, LEAVE_MS);
      void this.#handOver().then(() => {
        clock.clearTimeout(timer);
        resolve();
      });
    });
  }

  async #handOver(): Promise<void> {
    const { broker, kept } = this.#options;
    const others: readonly unknown[] = await broker
      .gather(Question.heir, undefined)
      .catch((): unknown[] => []);
    const heir = Math.max(
      0,
      ...others.filter((other): other is number => typeof other === "number"),
    );
    while (heir > 0 && kept.size > 0) {
      // From here on whoever asks the node finds them there: it hears of this first.
      const states = kept.takeSome(BATCH);
      try {
        await broker.call(heir, Question.adopt, states);
      } catch {
        // Then their clients are told that something is missing.
        return;
      }
    }
  }

  #takeOwn(claim: Claim): KeptState | undefined {
    const { kept, end } = this.#options;
    const known = kept.take(claim);
    if (known !== undefined) return known;
    end(claim);
    return kept.take(claim);
  }

  /** The worker that gave the proof has the connection, unless it moved or that worker has left. */
  async #takeElsewhere(owner: WorkerId, claim: Claim): Promise<KeptState | undefined> {
    const { broker } = this.#options;
    if (owner !== broker.worker) {
      const answer = await broker.call(owner, Question.take, claim).catch(() => undefined);
      if (isState(answer)) return answer;
    }
    const answers = await broker.gather(Question.take, claim);
    return answers.find(isState);
  }
}

/** Of a worker of the same version, so anything that is there is one. */
function isState(answer: unknown): answer is KeptState {
  return typeof answer === "object" && answer !== null;
}
