import type { Position } from "./position.ts";

/** One event in a channel, as every part of the core sees it. */
export interface Publication {
  /**
   * Names it among those on their way in this node; the hub that publishes gives it where somebody
   * has to tell them apart. What is published in several channels at once has one id in all of them, and
   * where it has a position another one, which that determines.
   */
  id?: number | undefined;
  /** The tenant that the channel belongs to. */
  readonly app: string;
  readonly channel: string;
  /** Event name that subscribers listen for. */
  readonly event: string;
  /** JSON text of the one argument, passed on as it came; with binary parts it holds placeholders. */
  readonly data: string;
  /** Who published, as subscribers of presence protocols are told; empty where nobody said. */
  readonly publisher?: string;
  /**
   * The payload as a signalling client wrote it, which other signalling clients get untouched;
   * the rest then says the same to protocols that carry JSON.
   */
  readonly payload?: Uint8Array;
  /** `MESH_ID` of the node that it was published at, where that is another one. */
  mesh?: string | undefined;
  /** Binary parts that `data` refers to as `{"_placeholder":true,"num":N}`. */
  readonly attachments?: readonly Uint8Array[];
  /**
   * The connection that published, where that is not to hear it; only where the channel keeps history,
   * since others are told apart by the worker that publishes.
   */
  sender?: string | undefined;
  /** Where it stands in the history of the channel; the broker gives it where there is one. */
  position?: Position | undefined;
  /**
   * What a client says to go on behind it; the hub gives it where clients may recover, unless the broker has.
   */
  cursor?: string | undefined;
}
