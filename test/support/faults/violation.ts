import type { Publication } from "./history.ts";

/** Something that a guarantee forbids. */
export interface Violation {
  readonly kind:
    | "loss"
    | "duplicate"
    | "order"
    | "unknown"
    /** Told that all it had missed follows, and did not get it. */
    | "false recovery"
    /** Told that it has missed something, and then sent a part of it. */
    | "partial"
    /** Told nothing of what it had missed. */
    | "untold"
    /** Clients of one channel saw two orders. */
    | "disagreement"
    /** A publication has two places. */
    | "two positions"
    | "ghost"
    | "missing member"
    | "double online"
    | "double offline"
    /** Shown with another state than it said last. */
    | "wrong state";
  readonly text: string;
}

/** Names a publication among those of its channel. */
export function keyOf({
  publisher,
  number,
}: {
  readonly publisher: string;
  readonly number: number;
}): string {
  return `${publisher} ${number}`;
}

/** Says which publication it is, for a person. */
export function nameOf({ publisher, number, sentAt, answeredAt }: Publication): string {
  return `${publisher} ${number} (sent ${sentAt.toFixed(1)}, answered ${answeredAt?.toFixed(1)})`;
}

/** The history that a position is in. */
export function epochOf(position: string | undefined): string | undefined {
  return position?.slice(0, position.lastIndexOf("."));
}
