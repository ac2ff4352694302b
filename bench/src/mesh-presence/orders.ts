/** What the bench tells one of its nodes. */
export type Order =
  | { readonly type: "open"; readonly url: string; readonly name: string; readonly lease: number }
  /** Carried out once it knows so many others. */
  | { readonly type: "meet"; readonly others: number }
  | { readonly type: "watch" }
  /** Watches the channel anew, once nothing is known any more of its members on other nodes. */
  | { readonly type: "forget" }
  | { readonly type: "join"; readonly members: number }
  /** Carried out once the channel has so many members, and nothing is on its way any more. */
  | { readonly type: "wait"; readonly members: number }
  /** Answers the microseconds that one takes. */
  | { readonly type: "count" }
  /** Frees what nobody needs. */
  | { readonly type: "collect" }
  /** Answers the bytes that were sent to NATS. */
  | { readonly type: "sent" };

/** What a node answers: that the order is carried out, with a number where it asks for one, or why not. */
export type Reply =
  | { readonly type: "done"; readonly value?: number }
  | { readonly type: "failed"; readonly reason: string };

/** Bytes of the state of each member. */
export const STATE_BYTES = 62;
