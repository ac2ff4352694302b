/** What one hook counts since it is configured; each field only grows. */
export class HookCounters {
  /** Events that the receiver took. */
  delivered = 0;
  /** Requests made. */
  requests = 0;
  /** Requests that are made again: no answer, 429, or 500 and above. */
  retries = 0;
  /** Events lost because the receiver refused them. */
  refused = 0;
  /** Events lost because too much waited, or the node stopped. */
  dropped = 0;
  /** Events lost because they could not be delivered for too long. */
  expired = 0;
}

/** How a hook stands. */
export interface HookCounts extends Readonly<HookCounters> {
  readonly app: string;
  /** Its place among the hooks of its app, from 0. */
  readonly hook: number;
  /** Events and bytes that wait. */
  readonly queued: number;
  readonly queuedBytes: number;
  /** Whether it fails, and is tried with one event at a time. */
  readonly isCircuitOpen: boolean;
}
