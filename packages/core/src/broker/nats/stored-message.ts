import type { Msg } from "@nats-io/nats-core";

/** What a message of a stream is. */
export type StoredContent = Pick<Msg, "subject" | "data" | "headers">;

/** One message of a stream. */
export interface StoredMessage {
  readonly offset: number;
  /** When it was kept, ms since the epoch. */
  readonly time: number;
  readonly message: StoredContent;
}
