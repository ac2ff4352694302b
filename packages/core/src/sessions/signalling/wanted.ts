import type { Wanted } from "@starling/protocol/signalling/messages.ts";
import type { Beginning } from "../../hub/recovery.ts";

/** What a client wants of a channel's history; half a position is a place in no stream. */
export function wantedFrom({ ep, off, last }: Wanted): Beginning["from"] {
  if (ep !== undefined && off !== undefined) return { epoch: ep, offset: off };
  if (ep !== undefined || off !== undefined) return { epoch: "", offset: 0 };
  return last === undefined ? undefined : { last };
}

/** Whether what it missed follows, where nothing does. */
export function recoveredWithout({ ep, off }: Wanted): false | undefined {
  return ep === undefined && off === undefined ? undefined : false;
}
