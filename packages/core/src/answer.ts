/** At once where the answer is known in this process, else a promise of it. */
export type Answer<T> = T | Promise<T>;

/** What is made of an answer: at once where the answer is there at once. */
export function whenAnswered<T, U>(answer: Answer<T>, use: (value: T) => Answer<U>): Answer<U> {
  return answer instanceof Promise ? answer.then(use) : use(answer);
}

/** All the answers, in order: at once where all are there at once. */
export function allAnswers<T>(answers: readonly Answer<T>[]): Answer<readonly T[]> {
  return answers.every(isKnown) ? answers : Promise.all(answers);
}

function isKnown<T>(answer: Answer<T>): answer is Exclude<Answer<T>, Promise<T>> {
  return !(answer instanceof Promise);
}
