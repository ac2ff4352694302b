import { type ErrorName, errorCatalogue, StarlingError } from "@starling/protocol/errors.ts";
import type { Clock, TimerHandle } from "../ports.ts";
import type { OtherNode, ReachMessage, ReachTransport } from "./transport.ts";

/** Questions that may wait for their answers at the same time. */
const MAX_OPEN = 10_000;

export interface NodeQuestionsOptions {
  readonly transport: ReachTransport;
  readonly clock: Clock;
}

interface Question {
  readonly start: string;
  readonly timer: TimerHandle;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: StarlingError) => void;
}

/** What came of a question to several nodes. */
export interface Gathered {
  /** In the order in which they came. */
  readonly answers: readonly unknown[];
  /** Nodes that are there and gave none in time, by their `MESH_ID`. */
  readonly unanswered: readonly string[];
}

/** Questions to other nodes that have not been answered yet. */
export class NodeQuestions {
  readonly #options: NodeQuestionsOptions;
  readonly #open = new Map<number, Question>();
  #last = 0;
  #late = 0;
  #refused = 0;

  constructor(options: NodeQuestionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Questions that were not answered in time. */
  get late(): number {
    return this.#late;
  }

  /** Questions that were not asked because too many were open. */
  get refused(): number {
    return this.#refused;
  }

  /** Rejected with the node's refusal, and with `broker_unavailable` where it does not answer in time. */
  ask(start: string, method: string, argument: unknown, withinMs: number): Promise<unknown> {
    const { transport, clock } = this.#options;
    if (this.#open.size >= MAX_OPEN) {
      this.#refused++;
      return Promise.reject(unavailable("too many questions to other nodes are open"));
    }
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      if (!transport.send({ start }, { type: "question", number, method, argument })) {
        reject(unavailable("NATS is away"));
        return;
      }
      const timer = clock.setTimeout(() => this.#giveUp(number), withinMs);
      this.#open.set(number, { start, timer, resolve, reject });
    });
  }

  /** Asks several nodes; settles when all have answered, and in time. */
  async gather(
    nodes: readonly OtherNode[],
    method: string,
    argument: unknown,
    withinMs: number,
  ): Promise<Gathered> {
    const answers: unknown[] = [];
    const unanswered: string[] = [];
    const asked = nodes.map(({ start, node }) =>
      this.ask(start, method, argument, withinMs).then(
        (answer) => void answers.push(answer),
        () => void unanswered.push(node),
      ),
    );
    await Promise.all(asked);
    return { answers, unanswered: unanswered.sort() };
  }

  /** What a node says to a question; one that is not open any more is nobody's. */
  receive(
    start: string,
    message: Extract<ReachMessage, { readonly type: "answer" | "refusal" }>,
  ): void {
    if (this.#open.get(message.number)?.start !== start) return;
    const question = this.#take(message.number);
    if (message.type === "answer") question?.resolve(message.value);
    else question?.reject(errorOf(message.error, message.message));
  }

  /** A node is gone, which will answer nothing. */
  gone(start: string): void {
    for (const [number, question] of [...this.#open]) {
      if (question.start === start) this.#take(number)?.reject(unavailable("the node is gone"));
    }
  }

  /** Nobody will answer. */
  linkDown(): void {
    for (const number of [...this.#open.keys()]) {
      this.#take(number)?.reject(unavailable("NATS is away"));
    }
  }

  #giveUp(number: number): void {
    this.#late++;
    this.#take(number)?.reject(unavailable("the node does not answer"));
  }

  #take(number: number): Question | undefined {
    const question = this.#open.get(number);
    if (question === undefined) return undefined;
    this.#open.delete(number);
    this.#options.clock.clearTimeout(question.timer);
    return question;
  }
}

function unavailable(message: string): StarlingError {
  return new StarlingError("broker_unavailable", message);
}

/** Another version may know other errors. */
function errorOf(name: string, message: string): StarlingError {
  const isKnown = Object.hasOwn(errorCatalogue, name);
  return new StarlingError(isKnown ? (name as ErrorName) : "internal", message);
}
