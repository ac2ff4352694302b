import { countInDatagram, joinMessages } from "@starling/protocol/signalling/datagrams.ts";
import { SharedDatagram } from "@starling/webtransport/datagrams.ts";
import type { Outgoing } from "./outgoing.ts";

/** Several messages in one datagram, put together once for all sessions that are to get the same. */
export class DatagramBatches {
  /** Those of the last one: sessions with the same channels come one after the other. */
  #messages: readonly Outgoing[] = [];
  #datagram = new SharedDatagram(new Uint8Array(0));

  /** How many of the messages from `start` on go into one datagram. */
  count(messages: readonly Outgoing[], start: number): number {
    return countInDatagram(messages, start);
  }

  /** A datagram with `count` messages from `start` on. */
  of(messages: readonly Outgoing[], start: number, count: number): SharedDatagram {
    if (!this.#isLast(messages, start, count)) {
      this.#messages = messages.slice(start, start + count);
      this.#datagram = new SharedDatagram(joinMessages(this.#messages.map(({ bytes }) => bytes)));
    }
    return this.#datagram;
  }

  #isLast(messages: readonly Outgoing[], start: number, count: number): boolean {
    return (
      this.#messages.length === count &&
      this.#messages.every((message, index) => message === messages[start + index])
    );
  }
}
