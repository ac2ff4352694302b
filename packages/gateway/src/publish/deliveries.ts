import { type Answer, allAnswers, whenAnswered } from "@starling/core/answer.ts";
import type { Broker, DeliveryKey, Published } from "@starling/core/broker/broker.ts";
import type { HubApi } from "@starling/core/hub/api.ts";
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
 * Hands deliveries to the hub, each idempotency key once within its window, whichever worker of the
 * node is asked.
 *
 * A request's keys are first all reserved, then its deliveries made without a pause, so that a
 * request is delivered as a whole or not at all.
 */
export class Deliveries {
  readonly #hub: HubApi;
  readonly #broker: Pick<Broker, "reserve" | "release">;
  #replays = 0;

  constructor(hub: HubApi, broker: Pick<Broker, "reserve" | "release">) {
    this.#hub = hub;
    this.#broker = broker;
  }

  /**
   * What became of each delivery, in order; those that were made before under the same key are not
   * made again.
   *
   * @throws StarlingError `idempotency_conflict`, and then nothing was delivered;
   *   `broker_unavailable`, and then nobody knows what was.
   */
  make(caller: string, deliveries: readonly Delivery[]): Answer<readonly Published[]> {
    const identities = deliveries.map((delivery) => identify(caller, delivery));
    const keys = distinct(identities);
    if (keys.length === 0) return allAnswers(deliveries.map((each) => this.#deliver(each)));
    return whenAnswered(this.#broker.reserve(keys), (known) => {
      const outcomes = new Map<string, Answer<Published>>();
      known.forEach((outcome, index) => {
        const key = keys[index];
        if (key !== undefined && outcome !== undefined) outcomes.set(key.key, outcome);
      });
      try {
        return allAnswers(
          deliveries.map((each, index) => this.#deliverOnce(each, identities[index], outcomes)),
        );
      } catch (error) {
        this.#broker.release(keys.filter(({ key }) => !outcomes.has(key)));
        throw error;
      }
    });
  }

  /** Deliveries not made because their key had been used before. */
  get replays(): number {
    return this.#replays;
  }

  /** `outcomes` is what came of the keys so far. */
  #deliverOnce(
    delivery: Delivery,
    key: DeliveryKey | undefined,
    outcomes: Map<string, Answer<Published>>,
  ): Answer<Published> {
    if (key === undefined) return this.#deliver(delivery);
    const known = outcomes.get(key.key);
    if (known !== undefined) {
      this.#replays++;
      return known;
    }
    const published = this.#deliver(delivery, key);
    const answer =
      published instanceof Promise ? this.#releaseUnlessDone(published, key) : published;
    outcomes.set(key.key, answer);
    return answer;
  }

  async #releaseUnlessDone(published: Promise<Published>, key: DeliveryKey): Promise<Published> {
    try {
      return await published;
    } catch (error) {
      this.#broker.release([key]);
      throw error;
    }
  }

  #deliver(delivery: Delivery, key?: DeliveryKey): Answer<Published> {
    const { app, channels, event, data, publisher } = delivery;
    const [channel = ""] = channels;
    const publication = { app, channel, event, data };
    return this.#hub.broadcast(
      publisher === undefined ? publication : { ...publication, publisher },
      channels,
      key,
    );
  }
}

/** Within one request a key may come twice, too: for one and the same delivery. */
function distinct(keys: readonly (DeliveryKey | undefined)[]): readonly DeliveryKey[] {
  const seen = new Map<string, DeliveryKey>();
  for (const key of keys) {
    if (key === undefined) continue;
    const { fingerprint } = seen.get(key.key) ?? key;
    if (fingerprint !== key.fingerprint) throw new StarlingError("idempotency_conflict");
    seen.set(key.key, key);
  }
  return [...seen.values()];
}

/** Keys of different callers and apps are different keys; no part can hold the separator. */
function identify(caller: string, delivery: Delivery): DeliveryKey | undefined {
  const { app, channels, event, data, publisher, idempotencyKey } = delivery;
  if (idempotencyKey === undefined) return undefined;
  const fingerprint = new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([channels, event, publisher]))
    .update(data)
    .digest("base64");
  return { key: `${caller}\n${app}\n${idempotencyKey}`, fingerprint };
}
