import type { TimerHandle } from "../ports.ts";
import type { Replica } from "./interest.ts";

/** Another node, from its first beat until it is silent for too long; its members are owned by this object. */
export class Peer {
  readonly node: string;
  readonly start: string;
  readonly since: number;
  /** The last beat that was heard, and the tick at which it was. */
  sequence = 0;
  heardAt = 0;
  /** What the last beat said: the last event, and channels with members. */
  now = 0;
  channels = 0;
  /** What the node says of itself. */
  about = "";
  /** The last question of it that was answered. */
  asked = 0;
  /** What of it is not known as far as it should be. */
  readonly incomplete = new Set<Replica>();
  /** What of that has been in doubt since the node arrived, and has not been asked for at once. */
  readonly suspected = new Set<Replica>();
  repair: TimerHandle | undefined;
  /** Whether it has said which of its channels have changed, since that was last in doubt. */
  isCompared = false;

  constructor(node: string, start: string, since: number) {
    this.node = node;
    this.start = start;
    this.since = since;
  }
}
