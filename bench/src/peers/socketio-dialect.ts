import type { SubscriberDialect, SubscriberSession } from "./peer.ts";

const DIGIT_TWO = 0x32;
const DIGIT_FOUR = 0x34;

/** Engine.IO protocol 4 with Socket.IO protocol 5 over a WebSocket, as the stock client speaks it. */
export function socketIoDialect(user: string): SubscriberDialect {
  return {
    path: `/socket.io/?EIO=4&transport=websocket&uniqueUserId=${user}`,
    opened: () => undefined,
    received,
  };
}

function received(session: SubscriberSession, buffer: Buffer, start: number, end: number): number {
  const type = buffer[start];
  if (type === DIGIT_TWO) {
    session.send("3");
    return 0;
  }
  if (session.joined) {
    return type === DIGIT_FOUR && buffer[start + 1] === DIGIT_TWO ? 1 : 0;
  }
  const text = buffer.toString("utf8", start, end);
  if (text.startsWith("0{")) session.send('40{"token":"bench"}');
  else if (text.startsWith("40{")) session.join();
  else throw new Error(`connection refused: ${text}`);
  return 0;
}

/** The Socket.IO packet of an event whose name is the channel, as it is on the wire. */
export function socketIoEvent(channel: string, data: string): string {
  return `42["${channel}",${data}]`;
}
