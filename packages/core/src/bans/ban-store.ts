import type { Answer } from "../answer.ts";
import type { Ban } from "./ban.ts";

/** Keeps bans for longer than nodes run. */
export interface BanStore {
  /** Until what was kept before the node started is known, or is not waited for any more. */
  readonly loaded: Promise<void> | undefined;
  /**
   * Keeps what is said of a user in place of what was said before; answers it when it is kept.
   *
   * Rejected with `broker_unavailable` where that is not known: then it may be kept, or not.
   *
   * @param next is told what was kept, and gives what is to be; again, where somebody else was quicker
   */
  keep(app: string, user: string, next: (kept: Ban | undefined) => Ban): Answer<Ban>;
}
