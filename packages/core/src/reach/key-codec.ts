import type { DeliveryKey, Published } from "../broker/broker.ts";
import { countIn, fieldsOf, listIn, textIn } from "./values.ts";

/** What a home says of the keys that it was asked about. */
export interface KeysAnswer {
  /** Whether another node is about to use one of them; then there are no answers. */
  readonly isBusy: boolean;
  readonly answers: readonly (Published | undefined)[];
}

/** What nodes say of keys, as values of MessagePack. All that reads throws `WireError`. */

export function keysSaid(keys: readonly DeliveryKey[]): object {
  return { keys: keys.map(({ key, fingerprint }) => ({ key, fingerprint })) };
}

export function readKeys(value: unknown): readonly DeliveryKey[] {
  return listIn(fieldsOf(value), "keys").map((each) => {
    const fields = fieldsOf(each);
    return { key: textIn(fields, "key"), fingerprint: textIn(fields, "fingerprint") };
  });
}

export function answerSaid({ isBusy, answers }: KeysAnswer): object {
  return { isBusy, answers: answers.map((answer) => answer ?? null) };
}

export function readAnswer(value: unknown): KeysAnswer {
  const fields = fieldsOf(value);
  const { isBusy } = fields;
  const answers = listIn(fields, "answers").map((each) =>
    each === null ? undefined : readPublished(each),
  );
  return { isBusy: isBusy === true, answers };
}

export function readPublished(value: unknown): Published {
  const fields = fieldsOf(value);
  const positions = listIn(fields, "positions").map((each) => {
    const position = fieldsOf(each);
    return { epoch: textIn(position, "epoch"), offset: countIn(position, "offset") };
  });
  return { subscribers: countIn(fields, "subscribers"), positions };
}
