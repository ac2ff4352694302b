/** Bytes of the largest datagram that is sent; browsers drop larger ones in silence. */
export const MAX_DATAGRAM_BYTES = 1_150;

/** How a datagram with several messages begins; no MessagePack value begins with it. */
const SEVERAL = 0xc1;
/** Bytes of the length that stands before each of several messages. */
const LENGTH_BYTES = 2;
/** What is no message, in place of a rest that is none. */
const MALFORMED = new Uint8Array(0);

/** What has a length in bytes. */
interface Sized {
  readonly length: number;
}

/**
 * How many of the messages from `start` on one datagram holds, in their order: one at least, which
 * must not be too large.
 */
export function countInDatagram(messages: readonly Sized[], start: number): number {
  let bytes = 1;
  let end = start;
  for (; end < messages.length; end++) {
    bytes += LENGTH_BYTES + (messages[end]?.length ?? 0);
    if (bytes > MAX_DATAGRAM_BYTES) break;
  }
  return Math.max(1, end - start);
}

/** The datagram of these messages; one alone is the datagram itself, and not copied. */
export function joinMessages(messages: readonly Uint8Array[]): Uint8Array {
  const [first] = messages;
  if (messages.length === 1 && first !== undefined) return first;
  const length = messages.reduce((sum, each) => sum + LENGTH_BYTES + each.length, 1);
  const datagram = new Uint8Array(length);
  datagram[0] = SEVERAL;
  let at = 1;
  for (const message of messages) {
    datagram[at] = message.length >>> 8;
    datagram[at + 1] = message.length;
    datagram.set(message, at + LENGTH_BYTES);
    at += LENGTH_BYTES + message.length;
  }
  return datagram;
}

/**
 * Calls back with each message of a datagram, which lies in the same memory. A rest that is no
 * message behind its length comes as an empty one, which every reader refuses.
 */
export function splitMessages(datagram: Uint8Array, receive: (message: Uint8Array) => void): void {
  if (datagram[0] !== SEVERAL) {
    receive(datagram);
    return;
  }
  let at = 1;
  do {
    const begin = at + LENGTH_BYTES;
    const end = begin + ((datagram[at] ?? 0) << 8) + (datagram[at + 1] ?? 0);
    if (end === begin || end > datagram.length) {
      receive(MALFORMED);
      return;
    }
    receive(datagram.subarray(begin, end));
    at = end;
  } while (at < datagram.length);
}
