/** What links have carried; each field only grows. */
export class LinkCounters {
  framesSent = 0;
  framesReceived = 0;
  messagesSent = 0;
  messagesReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;
  /** Messages dropped because a queue was full or its worker was forgotten. */
  dropped = 0;
  /** Messages refused because a queue was full. */
  refused = 0;
}
