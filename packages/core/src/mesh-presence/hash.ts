import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";

/** The largest hash there is. */
export const MAX_HASH = 2 ** 48 - 1;

/** 48 bits that stand for a channel on every node; clients choose names, so it has to be a good hash. */
export function channelHash(app: string, channel: string): number {
  // No name of an app has a NUL.
  const digest = sha256(utf8ToBytes(`${app}\0${channel}`));
  let hash = 0;
  for (let index = 0; index < 6; index++) hash = hash * 256 + (digest[index] ?? 0);
  return hash;
}
