import type { StoredMessage } from "./stored-message.ts";

/** A stream as the server says it that leads it. */
export interface StoredStream {
  /** Questions that one reading may have under way at this moment. */
  readonly atOnce: number;
  look(): Promise<{ readonly last: number }>;
  newestOf(subject: string): Promise<number>;
  newest(subject: string): Promise<StoredMessage | undefined>;
  /** The first message of a channel that has this number or a higher one. */
  next(subject: string, from: number): Promise<StoredMessage | undefined>;
}

/** A channel of a stream. */
export interface StoredChannel {
  readonly stream: StoredStream;
  readonly subject: string;
}

export interface StoredLimits {
  readonly limit: number;
  /** At least one message is read, however large. */
  readonly maxBytes: number;
}

/** What follows what was known of a channel. */
export interface StoredStretch {
  readonly messages: readonly StoredMessage[];
  /** The number up to which they are all that there is. */
  readonly upTo: number;
}
