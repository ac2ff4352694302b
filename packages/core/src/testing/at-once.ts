import type { Answer } from "../answer.ts";

/** An answer that must be there at once. */
export function atOnce<T>(answer: Answer<T>): T {
  if (answer instanceof Promise) throw new Error("the answer is yet to come");
  return answer;
}
