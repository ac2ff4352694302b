import type { Answer } from "../answer.ts";
import type { DeliveryKey, Published } from "./broker.ts";
import type { Elsewhere } from "./elsewhere.ts";
import { isOwnPart } from "./own-part.ts";
import type { Reservations } from "./reservations.ts";

type Answers = readonly (Published | undefined)[];

/**
 * What is known of keys that a worker has reserved on its node, there and on the others. Where these refuse, the worker
 * has none of them.
 *
 * @param own what the own node knows, in the order of the keys
 */
export function reservedElsewhere<Worker>(
  worker: Worker,
  reservations: Pick<Reservations<Worker>, "answered" | "release">,
  nodes: Pick<Elsewhere, "reserve">,
  keys: readonly DeliveryKey[],
  own: Answers,
): Answer<Answers> {
  const fresh = keys.filter((key, index) => own[index] === undefined && !isOwnPart(key));
  if (fresh.length === 0) return own;
  const theirs = nodes.reserve(fresh);
  if (!(theirs instanceof Promise)) return own;
  return theirs.then(
    (answers) => {
      const known = new Map<string, Published>();
      fresh.forEach((key, index) => {
        const published = answers[index];
        if (published === undefined) return;
        known.set(key.key, published);
        reservations.answered(key, published);
      });
      return keys.map(({ key }, index) => own[index] ?? known.get(key));
    },
    (error: unknown) => {
      reservations.release(worker, keys);
      throw error;
    },
  );
}
