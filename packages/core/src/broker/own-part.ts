import type { DeliveryKey } from "./broker.ts";

/** With which keys begin that are a node's alone; those of publishers begin with a caller, which holds no such character. */
const PREFIX = "\u0000own\n";

/** The key under which the subscribers of a node have a delivery that others have to get as well. */
export function ownPartOf({ key, fingerprint }: DeliveryKey): DeliveryKey {
  return { key: PREFIX + key, fingerprint };
}

export function isOwnPart({ key }: DeliveryKey): boolean {
  return key.startsWith(PREFIX);
}
