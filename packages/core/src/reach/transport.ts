/** Another node of the mesh, as long as it is there. */
export interface OtherNode {
  /** Names its start, among all of all times. */
  readonly start: string;
  /** Its `MESH_ID`. */
  readonly node: string;
}

/** To whom something goes: all other nodes, or one of them by its start. */
export type Recipient = "all" | { readonly start: string };

/** How nodes reach one another: a message arrives once, in order, as a rule, and may be lost. */
export interface ReachTransport {
  /** Whether anything can be sent at all. */
  readonly isUp: boolean;
  /** The other nodes that are there. */
  nodes(): readonly OtherNode[];
  /** Sends at once, or not at all: then it answers false. */
  send(to: Recipient, message: ReachMessage): boolean;
}

/** What the nodes say to one another; values are what MessagePack can say. */
export type ReachMessage =
  | {
      readonly type: "question";
      readonly number: number;
      readonly method: string;
      readonly argument: unknown;
    }
  | { readonly type: "answer"; readonly number: number; readonly value: unknown }
  | {
      readonly type: "refusal";
      readonly number: number;
      readonly error: string;
      readonly message: string;
    }
  /** Something that nobody waits for. */
  | { readonly type: "word"; readonly method: string; readonly argument: unknown };
