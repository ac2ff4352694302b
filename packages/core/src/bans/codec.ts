import { countIn, fieldsOf, textIn } from "../reach/values.ts";
import type { Ban } from "./ban.ts";

/**
 * What another process says of a ban, as one value of MessagePack.
 *
 * @throws WireError when it is none
 */
export function readBan(value: unknown): Ban {
  const fields = fieldsOf(value);
  return {
    app: textIn(fields, "app"),
    user: textIn(fields, "user"),
    until: countIn(fields, "until"),
    keptUntil: countIn(fields, "keptUntil"),
    stamp: countIn(fields, "stamp"),
    by: textIn(fields, "by"),
  };
}
