import { type Answer, whenAnswered } from "../../answer.ts";
import type { Broker, DeliveryKey, Published } from "../broker.ts";
import { ownPartOf } from "../own-part.ts";

/**
 * The keys of deliveries that go to the subscribers of the node and to the rest of the mesh. Beside each key the
 * node knows another, under which its own subscribers have had the delivery: where an attempt comes no further,
 * the next one, of whichever worker, does only what is left.
 */
export class MeshKeys {
  readonly #inner: Pick<Broker, "reserve" | "release">;
  /** What came of the first part of deliveries whose keys this worker has reserved. */
  readonly #delivered = new Map<string, Published>();

  constructor(inner: Pick<Broker, "reserve" | "release">) {
    this.#inner = inner;
  }

  reserve(keys: readonly DeliveryKey[]): Answer<readonly (Published | undefined)[]> {
    const own = keys.map(ownPartOf);
    return whenAnswered(this.#inner.reserve([...keys, ...own]), (answers) => {
      keys.forEach((key, index) => {
        const delivered = answers[keys.length + index];
        if (answers[index] !== undefined) this.#inner.release([ownPartOf(key)]);
        else if (delivered !== undefined) this.#delivered.set(key.key, delivered);
      });
      return answers.slice(0, keys.length);
    });
  }

  release(keys: readonly DeliveryKey[]): void {
    for (const { key } of keys) this.#delivered.delete(key);
    this.#inner.release([...keys, ...keys.map(ownPartOf)]);
  }

  /** What came of the first part, where an earlier attempt has made it. */
  delivered({ key }: DeliveryKey): Published | undefined {
    return this.#delivered.get(key);
  }

  /** The delivery has been made as a whole. */
  done(key: DeliveryKey): void {
    this.#delivered.delete(key.key);
    // Where nothing went to subscribers of the node it was reserved in vain.
    this.#inner.release([ownPartOf(key)]);
  }
}
