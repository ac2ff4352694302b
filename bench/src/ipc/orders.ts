/** What the bench tells one of its processes. */
export type Order =
  | { readonly type: "serve"; readonly socket: string }
  | { readonly type: "join"; readonly socket: string; readonly worker: number }
  | { readonly type: "listen"; readonly expected: number }
  | { readonly type: "publish"; readonly messages: number; readonly perSecond: number };

/** What a process answers: that the order is carried out, or why not. */
export type Reply =
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly reason: string };

export const CHANNEL = "bench";
/** About what a chat message has. */
export const DATA = JSON.stringify({ text: "x".repeat(88) });
