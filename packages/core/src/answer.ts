/** At once where the answer is known in this process, else a promise of it. */
export type Answer<T> = T | Promise<T>;
