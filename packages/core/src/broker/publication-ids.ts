import type { Position } from "../hub/position.ts";
import type { WorkerId } from "./broker.ts";

/** Publications of one worker until their ids begin again. */
const IDS_OF_A_WORKER = 2 ** 40;
/** Workers whose ids an exact number can tell apart. */
const WORKERS = 2 ** 13;

/**
 * Ids of the publications of one worker.
 *
 * Both parts begin again at some time, but long after what had the same id has arrived: a number
 * costs nothing to send and compare, and only what is on its way must differ.
 */
export class PublicationIds {
  readonly #base: number;
  #last = 0;

  constructor(worker: WorkerId) {
    this.#base = (worker % WORKERS) * IDS_OF_A_WORKER;
  }

  /**
   * What stands in this node for an id of another node: the same on all workers. Each channel has its own, since
   * its messages come by themselves.
   */
  static of(origin: string, id: number, channel = ""): number {
    const hash = hashOf(channel, hashOf(origin, 0));
    return (hash % WORKERS) * IDS_OF_A_WORKER + (id % IDS_OF_A_WORKER);
  }

  /** That of a place in a history, whoever reads it and however often. */
  static at({ epoch, offset }: Position): number {
    return PublicationIds.of(epoch, offset);
  }

  /** Of what has nothing else that tells it apart: that of its bytes. */
  static ofBytes(bytes: Uint8Array, channel: string): number {
    let hash = 0;
    for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) >>> 0;
    return PublicationIds.of("", hash, channel);
  }

  next(): number {
    this.#last = (this.#last + 1) % IDS_OF_A_WORKER;
    return this.#base + this.#last;
  }
}

function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let index = 0; index < text.length; index++) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) >>> 0;
  }
  return hash;
}
