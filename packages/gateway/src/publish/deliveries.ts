import type { HubApi } from "@starling/core/hub/api.ts";
import { IdempotencyWindow } from "@starling/core/limits/idempotency.ts";
import type { Clock } from "@starling/core/ports.ts";
import { StarlingError } from "@starling/protocol/errors.ts";

/** One event for one or more channels of an app, checked and ready to be delivered. */
export interface Delivery {
  readonly app: string;
  readonly channels: readonly string[];
  readonly event: string;
  /** JSON text. */
  readonly data: string;
  readonly publisher?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

/**
 * Hands deliveries to the hub, each idempotency key once within its window.
 *
 * A request's deliveries are first all checked for conflicting keys, then made without a pause, so
 * that a request is delivered as a whole or not at all.
 */
export class Deliveries {
  readonly #hub: HubApi;
  readonly #answers: IdempotencyWindow<number>;
  #replays = 0;

  constructor(hub: HubApi, windowMs: number, clock: Clock) {
    this.#hub = hub;
    this.#answers = new IdempotencyWindow({ windowMs, clock });
  }

  /**
   * The subscribers that each delivery had, in order; those that were made before under the same
   * key are not made again.
   *
   * @throws StarlingError `idempotency_conflict`, and then nothing was delivered.
   */
  make(caller: string, deliveries: readonly Delivery[]): number[] {
    const identities = deliveries.map((delivery) => identify(caller, delivery));
    this.#refuseConflicts(identities);
    return deliveries.map((delivery, index) => {
      const identity = identities[index];
      if (identity === undefined) return this.#deliver(delivery);
      const known = this.#answers.find(identity.key, identity.fingerprint);
      if (known !== undefined) {
        this.#replays++;
        return known;
      }
      const subscribers = this.#deliver(delivery);
      this.#answers.remember(identity.key, identity.fingerprint, subscribers);
      return subscribers;
    });
  }

  /** Deliveries not made because their key had been used before. */
  get replays(): number {
    return this.#replays;
  }

  /** Answers forgotten before their time because too many keys were in use. */
  get forgottenEarly(): number {
    return this.#answers.forgottenEarly;
  }

  #deliver({ app, channels, event, data, publisher }: Delivery): number {
    let subscribers = 0;
    for (const channel of channels) {
      const publication = { app, channel, event, data };
      subscribers += this.#hub.publish(
        publisher === undefined ? publication : { ...publication, publisher },
      );
    }
    return subscribers;
  }

  /** Within one request a key may come twice, too: for one and the same delivery. */
  #refuseConflicts(identities: readonly (Identity | undefined)[]): void {
    const seen = new Map<string, string>();
    for (const identity of identities) {
      if (identity === undefined) continue;
      this.#answers.find(identity.key, identity.fingerprint);
      const earlier = seen.get(identity.key) ?? identity.fingerprint;
      if (earlier !== identity.fingerprint) throw new StarlingError("idempotency_conflict");
      seen.set(identity.key, identity.fingerprint);
    }
  }
}

interface Identity {
  readonly key: string;
  readonly fingerprint: string;
}

/** Keys of different callers and apps are different keys; no part can hold the separator. */
function identify(caller: string, delivery: Delivery): Identity | undefined {
  const { app, channels, event, data, publisher, idempotencyKey } = delivery;
  if (idempotencyKey === undefined) return undefined;
  const fingerprint = new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([channels, event, publisher]))
    .update(data)
    .digest("base64");
  return { key: `${caller}\n${app}\n${idempotencyKey}`, fingerprint };
}
