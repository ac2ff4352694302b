/**
 * Why a worker is not ready: it drains, its link to the node is down, the node lacks workers or a link of its
 * own, or NATS is away or lags.
 */
export type Impediment = "draining" | "link" | "node" | "nats" | "lag";

/** Whether new connections and requests are welcome here. */
export class Health {
  readonly #reasons = new Map<Impediment, string>();

  /** `reason` is what the readiness check says; undefined takes the impediment away. */
  set(impediment: Impediment, reason: string | undefined): void {
    if (reason === undefined) this.#reasons.delete(impediment);
    else this.#reasons.set(impediment, reason);
  }

  /** Every reason not to be ready; empty when ready. */
  get reasons(): readonly string[] {
    return [...this.#reasons.values()];
  }

  /** Whether connections should go elsewhere, as soon as they have what they asked for. */
  get isDraining(): boolean {
    return this.#reasons.has("draining");
  }
}
