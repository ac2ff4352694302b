import type { Clock, Log, TimerHandle } from "../../ports.ts";

/** Milliseconds from an answer to the next question, and after which an answer is late. */
const ASK_MS = 1_000;
const LATE_MS = 5_000;

/** What answers once all that was on its way before has come, and is delivered. */
export interface Answering {
  flush(): Promise<unknown>;
}

export interface AnswerWatchOptions {
  readonly clock: Pick<Clock, "setTimeout" | "clearTimeout">;
  readonly log: Pick<Log, "info" | "warn">;
  /** Told when answers begin to be late, and when they are in time again. */
  changed(isLate: boolean): void;
}

/** Looks whether NATS answers in time: a link that is slower than what is published stays up, and lags. */
export class AnswerWatch {
  readonly #options: AnswerWatchOptions;
  /** What is being asked; undefined while the link is down. */
  #question: object | undefined;
  #timer: TimerHandle | undefined;
  #isLate = false;

  constructor(options: AnswerWatchOptions) {
    this.#options = options;
  }

  /** The link is up. */
  up(connection: Answering): void {
    this.down();
    this.#ask(connection);
  }

  /** The link is down. What was late is so until the next one has answered. */
  down(): void {
    this.#question = undefined;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ask(connection: Answering): void {
    const { clock } = this.#options;
    const question = { isInTime: true };
    this.#question = question;
    this.#timer = clock.setTimeout(() => {
      question.isInTime = false;
      this.#setLate(true);
    }, LATE_MS);
    const answered = () => {
      if (this.#question !== question) return;
      if (question.isInTime) this.#setLate(false);
      if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
      this.#timer = clock.setTimeout(() => this.#ask(connection), ASK_MS);
    };
    // A link that breaks is said to be down.
    connection.flush().then(answered, () => {});
  }

  #setLate(isLate: boolean): void {
    if (isLate === this.#isLate) return;
    this.#isLate = isLate;
    const { log, changed } = this.#options;
    if (isLate) log.warn({}, "NATS answers late");
    else log.info({}, "NATS answers in time again");
    changed(isLate);
  }
}
