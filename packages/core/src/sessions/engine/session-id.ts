import type { WorkerId } from "../../broker/broker.ts";
import type { Random } from "../../ports.ts";

/** Bytes of chance in an id, which is all that a client proves a session its own with. */
const SECRET_BYTES = 15;

/** The worker's number in base 36, then the secret in base64url. */
const OWNED = /^([1-9a-z][0-9a-z]{0,7})\.[\w-]{20}$/;

/** An id that names the worker which makes it, where its node has more than one. */
export function createSessionId(worker: WorkerId, random: Random): string {
  const secret = random.bytes(SECRET_BYTES).toBase64({ alphabet: "base64url" });
  return worker === 0 ? secret : `${worker.toString(36)}.${secret}`;
}

/** The worker that an id names; undefined where it names none, or is none of ours. */
export function ownerOf(id: string): WorkerId | undefined {
  const worker = OWNED.exec(id)?.[1];
  return worker === undefined ? undefined : Number.parseInt(worker, 36);
}
