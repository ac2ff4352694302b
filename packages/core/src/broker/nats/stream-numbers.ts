import type { MsgHdrs } from "@nats-io/nats-core";
import { MsgImpl } from "@nats-io/nats-core/internal";
import { bytesOf, numberIn, startsAt } from "./ascii.ts";

/** What a stream says of a message that it has kept, when it sends it on. */
export interface StreamNumbers {
  /** That of the message. */
  readonly offset: number;
  /** That of the message before it in the same channel; 0 where there was none. */
  readonly previous: number;
}

const OFFSET = "Nats-Sequence";
const PREVIOUS = "Nats-Last-Sequence";
const OFFSET_LINE = bytesOf(`${OFFSET}:`);
const PREVIOUS_LINE = bytesOf(`${PREVIOUS}:`);
const [LF, CR, SPACE] = [0x0a, 0x0d, 0x20];
const [UNKNOWN, UNUSUAL] = [-1, -2];

/**
 * Undefined where no stream has sent the message on. What a publisher says in headers of the same names does
 * not count: the server adds its own behind them.
 */
export function streamNumbers(message: {
  readonly headers?: MsgHdrs | undefined;
}): StreamNumbers | undefined {
  // The library makes a map of all headers, which costs more than all else that a message needs.
  if (message instanceof MsgImpl) {
    const numbers = scanned(message._rdata, message._msg.hdr);
    if (numbers !== undefined) return numbers;
  }
  const offset = Number(message.headers?.last(OFFSET));
  const previous = Number(message.headers?.last(PREVIOUS) || 0);
  return Number.isSafeInteger(offset) && offset > 0 ? { offset, previous } : undefined;
}

/** From behind; undefined where it is anything but what a server writes, and the library has to look. */
function scanned(bytes: Uint8Array, end: number): StreamNumbers | undefined {
  let [offset, previous] = [UNKNOWN, UNKNOWN];
  for (let at = end - 1; at >= 0; at--) {
    if (bytes[at] !== LF) continue;
    if (offset === UNKNOWN && startsAt(bytes, at + 1, OFFSET_LINE)) {
      offset = numberAt(bytes, at + 1 + OFFSET_LINE.length);
    } else if (previous === UNKNOWN && startsAt(bytes, at + 1, PREVIOUS_LINE)) {
      previous = numberAt(bytes, at + 1 + PREVIOUS_LINE.length);
    } else continue;
    if (offset === UNUSUAL || offset === 0 || previous === UNUSUAL) return undefined;
    if (offset !== UNKNOWN && previous !== UNKNOWN) return { offset, previous };
  }
  return undefined;
}

/** The number of a line; `UNUSUAL` where it is anything but a few digits. */
function numberAt(bytes: Uint8Array, start: number): number {
  const from = bytes[start] === SPACE ? start + 1 : start;
  return numberIn(bytes, from, bytes.indexOf(CR, from)) ?? UNUSUAL;
}
