/** What the bench tells one of its processes. */
export type Order =
  | { readonly type: "serve"; readonly socket: string }
  | { readonly type: "join"; readonly socket: string; readonly worker: number }
  /** Counts from 0 what comes from now on. */
  | { readonly type: "count" }
  /** Carried out once so many have come. */
  | { readonly type: "wait"; readonly expected: number }
  | { readonly type: "publish"; readonly messages: number; readonly perSecond: number };

export const CHANNEL = "bench";
/** About what a chat message has. */
export const DATA = JSON.stringify({ text: "x".repeat(88) });
