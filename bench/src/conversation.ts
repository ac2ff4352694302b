/** What a process answers when it could not do what it was told. */
interface Failure {
  readonly kind: "failed";
  readonly message: string;
}

/** Commands to a process that answers each of them once: one at a time. */
export class Conversation<Answer extends { readonly kind: string }> {
  readonly #timeoutMs: number;
  #pending = Promise.withResolvers<Answer>();

  /** @param timeoutMs for each answer; ends a run whose process hangs */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** The process has said something. */
  heard(answer: Answer): void {
    this.#pending.resolve(answer);
  }

  /** The process is gone, and answers nothing more. */
  ended(code: number): void {
    this.#pending.reject(new Error(`load process ended with code ${code}`));
  }

  /** Nobody waits for an answer now; its absence is not an error. */
  dismiss(): void {
    this.#pending.promise.catch(() => undefined);
  }

  ask<K extends Answer["kind"]>(
    send: () => void,
    expected: K,
  ): Promise<Extract<Answer, { readonly kind: K }>> {
    this.#pending = Promise.withResolvers();
    send();
    return this.next(expected);
  }

  /** What the process says without having been asked, or next. */
  async next<K extends Answer["kind"]>(
    expected: K,
  ): Promise<Extract<Answer, { readonly kind: K }>> {
    const { promise, reject } = this.#pending;
    const late = () => reject(new Error("load process did not answer in time"));
    const timer = setTimeout(late, this.#timeoutMs);
    try {
      const answer = await promise;
      if (isFailure(answer)) throw new Error(answer.message);
      if (!isKind(answer, expected)) throw new Error(`load process answered ${answer.kind}`);
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }
}

function isFailure(answer: { readonly kind: string }): answer is Failure {
  return answer.kind === "failed";
}

function isKind<Answer extends { readonly kind: string }, K extends Answer["kind"]>(
  answer: Answer,
  kind: K,
): answer is Extract<Answer, { readonly kind: K }> {
  return answer.kind === kind;
}
