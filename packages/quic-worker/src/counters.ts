/** What becomes of messages between the hub and QUIC; each field only grows. */
export class TransportCounters {
  /** Messages not sent because too many of the session waited for datagrams already. */
  datagramsOverflowed = 0;
  /** Messages not sent as datagrams because the client's sign of life is late. */
  datagramsWithheld = 0;
  /** Messages not sent because they are too large for a datagram, and the session has no stream. */
  datagramsTooLarge = 0;
  /** Datagrams of clients dropped because the stream of their session came too late for them, or never. */
  datagramsEarly = 0;
}
