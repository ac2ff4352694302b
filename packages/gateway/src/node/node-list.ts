import type { Answer } from "@starling/core/answer.ts";
import type { ListedNode } from "@starling/core/mesh-directory/listed-nodes.ts";
import type { Clock } from "@starling/core/ports.ts";

/** Milliseconds for which an answer of the node is given again, to whomever. */
const FRESH_MS = 1_000;

/** A worker's list of the nodes of the mesh, as the process that holds the node knows them. */
export class NodeList {
  readonly #ask: () => Answer<readonly ListedNode[]>;
  readonly #clock: Clock;
  #text: string | undefined;
  #askedAt = 0;
  #asking: Promise<string> | undefined;

  constructor(ask: () => Answer<readonly ListedNode[]>, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** As JSON text; rejected with `broker_unavailable` where the node does not answer. */
  async text(): Promise<string> {
    const age = Math.abs(this.#clock.now() - this.#askedAt);
    if (this.#text !== undefined && age < FRESH_MS) return this.#text;
    this.#asking ??= this.#renewed().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #renewed(): Promise<string> {
    const nodes = await this.#ask();
    this.#text = JSON.stringify({ ok: true, node: nodes[0]?.id ?? "", nodes });
    this.#askedAt = this.#clock.now();
    return this.#text;
  }
}
