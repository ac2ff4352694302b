import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../answer.ts";
import type { Clock } from "../ports.ts";
import type { Cancellation } from "./broker.ts";
import { CancellationSource } from "./cancellation.ts";

/** Milliseconds for which answers of all workers are gathered. */
const GATHER_MS = 2_000;

/** How a worker is asked. */
export type Ask = (cancellation: Cancellation) => Answer<unknown>;

interface Question<Worker> {
  /** Undefined where the node itself asks. */
  readonly asker: Worker | undefined;
  readonly asked: Worker;
  /** Tells the side that was asked. */
  readonly cancellation: CancellationSource;
  readonly reject: (error: unknown) => void;
}

/** Questions to workers that have not been answered yet. */
export class Questions<Worker> {
  readonly #clock: Clock;
  readonly #open = new Set<Question<Worker>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Rejected with what was thrown, or `broker_unavailable` when given up or one of both is gone. */
  ask(
    asker: Worker | undefined,
    asked: Worker,
    ask: Ask,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    if (cancellation?.isCancelled === true) return Promise.reject(givenUp());
    return new Promise((resolve, reject) => {
      const question = { asker, asked, cancellation: new CancellationSource(), reject };
      this.#open.add(question);
      cancellation?.onCancel(() => this.#giveUp(question, givenUp()));
      answerOf(ask, question.cancellation).then(
        (answer) => {
          this.#open.delete(question);
          resolve(answer);
        },
        (error) => {
          this.#open.delete(question);
          reject(error);
        },
      );
    });
  }

  /** Asks several; the answers that came in time. */
  gather(
    asker: Worker | undefined,
    questions: readonly (readonly [Worker, Ask])[],
  ): Promise<readonly unknown[]> {
    const answers: unknown[] = [];
    const inTime = new CancellationSource();
    const timer = this.#clock.setTimeout(() => inTime.cancel(), GATHER_MS);
    const asked = questions.map(([worker, ask]) =>
      this.ask(asker, worker, ask, inTime).then(
        (answer) => {
          answers.push(answer);
        },
        // Whoever does not answer is left out.
        () => undefined,
      ),
    );
    return Promise.all(asked).then(() => {
      this.#clock.clearTimeout(timer);
      return answers;
    });
  }

  /** The worker is gone: nobody waits for it, nor it for anybody. */
  forget(worker: Worker): void {
    for (const question of [...this.#open]) {
      if (question.asker === worker || question.asked === worker) {
        this.#giveUp(question, new StarlingError("broker_unavailable"));
      }
    }
  }

  #giveUp(question: Question<Worker>, reason: StarlingError): void {
    if (!this.#open.delete(question)) return;
    question.reject(reason);
    question.cancellation.cancel();
  }
}

/** What is thrown at once counts as an answer, too. */
async function answerOf(ask: Ask, cancellation: Cancellation): Promise<unknown> {
  return ask(cancellation);
}

function givenUp(): StarlingError {
  return new StarlingError("broker_unavailable", "the question was given up");
}
