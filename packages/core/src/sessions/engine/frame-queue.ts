import type { Frame } from "../../hub/subscriber.ts";
import { byteLength } from "./polling.ts";

/** What an entry costs beside its bytes, so that empty messages do not wait without bound. */
const ENTRY_BYTES = 16;

/** Publications, or messages of a client, that wait until a session is here. */
export class FrameQueue<Entry extends { readonly frames: readonly Frame[] }> {
  readonly #maxBytes: number;
  #entries: Entry[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Answers false, keeping nothing, when more would wait than may. */
  push(entry: Entry): boolean {
    if (this.#bytes > this.#maxBytes) return false;
    for (const frame of entry.frames) this.#bytes += byteLength(frame) + ENTRY_BYTES;
    this.#entries.push(entry);
    return true;
  }

  /** Takes everything, in the order of its coming. */
  drain(): readonly Entry[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#bytes = 0;
    return entries;
  }
}
