/** Whether the channels keep a history. */
export const kinds = ["plain", "kept"] as const;
export type Kind = (typeof kinds)[number];

/** What the bench tells a node. */
export type Order =
  /** Becomes a node with a subscriber in each channel; alone where there is no server. */
  | { readonly type: "join"; readonly server: string | undefined; readonly channels: number }
  /** Counts from 0 what comes from now on: so many, each once. */
  | { readonly type: "count"; readonly expected: number }
  /** Carried out once all have come. */
  | { readonly type: "wait" }
  /** Publishes in the channels of one kind in turn; with 0 a second as fast as everything is answered. */
  | {
      readonly type: "publish";
      readonly kind: Kind;
      readonly messages: number;
      readonly perSecond: number;
    }
  /** Brings them to the subscriber as a broker does, with nothing around it. */
  | { readonly type: "deliver"; readonly messages: number };

/** Channels of a kind are of a namespace of its name. */
export function channelName(kind: Kind, index: number): string {
  return `${kind}:${index}`;
}

const NUMBER_DIGITS = 8;
const NUMBER_AT = '{"n":'.length;
const padding = "x".repeat(80);

/** JSON text of about what a chat message has, with a number from 0. */
export function numbered(number: number): string {
  return `{"n":${10 ** (NUMBER_DIGITS - 1) + number},"text":"${padding}"}`;
}

export function numberOf(data: string): number {
  return Number(data.slice(NUMBER_AT, NUMBER_AT + NUMBER_DIGITS)) - 10 ** (NUMBER_DIGITS - 1);
}
