import { Packr } from "msgpackr/pack";
import { WireError } from "./wire-error.ts";

/** Plain maps as objects, and bytes as copies, since what they are read from is reused. */
const packr = new Packr({ useRecords: false, copyBuffers: true });

/**
 * Any value that MessagePack can say, as bytes.
 *
 * @throws Error when it cannot
 */
export function packValue(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** @throws WireError when the bytes are not one value */
export function unpackValue(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch (error) {
    throw new WireError("a value is not well-formed MessagePack", { cause: error });
  }
}
