import type { Frame } from "../../hub/subscriber.ts";
import { byteLength } from "./polling.ts";

/** The frames of one publication, or one message of a client. */
export interface QueuedFrames {
  readonly frames: readonly Frame[];
  /** That of the publication. */
  readonly id: number | undefined;
}

/** What an entry costs beside its bytes, so that empty messages do not wait without bound. */
const ENTRY_BYTES = 16;

/** Frames that wait until a session is here. */
export class FrameQueue {
  readonly #maxBytes: number;
  #entries: QueuedFrames[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Answers false, keeping nothing, when more would wait than may. */
  push(frames: readonly Frame[], id: number | undefined): boolean {
    if (this.#bytes > this.#maxBytes) return false;
    for (const frame of frames) this.#bytes += byteLength(frame) + ENTRY_BYTES;
    this.#entries.push({ frames, id });
    return true;
  }

  /** Takes everything, in the order of its coming. */
  drain(): readonly QueuedFrames[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#bytes = 0;
    return entries;
  }
}
