import { sha256 } from "@noble/hashes/sha2.js";
import type { DeliveryKey } from "../broker.ts";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/** What names a delivery with a key in one channel, the same on whichever node it is made. */
export function deliveryId({ key, fingerprint }: DeliveryKey, channel: string): string {
  const bytes = new TextEncoder().encode(JSON.stringify([key, fingerprint, channel]));
  return sha256(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
}
