/** What the server asks of the runtime to set a limit to waiting. */
export interface Timers {
  /** Runs `callback` once after `delayMs`; a timer alone does not keep the process alive. */
  setTimeout(callback: () => void, delayMs: number): TimerHandle;
  clearTimeout(timer: TimerHandle): void;
}

/** An opaque handle of a timer that is set. */
export type TimerHandle = object | number;
