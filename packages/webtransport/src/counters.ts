/** Totals of a server since it started. */
export interface Counters {
  /** Connections that were accepted, and those refused for want of room. */
  connections: number;
  connectionsRefused: number;
  /** Requests that became sessions, and those that were answered otherwise. */
  sessions: number;
  requestsRefused: number;
  /** Connections closed because of what the peer sent. */
  protocolErrors: number;
  /** Datagrams that QUIC took. */
  datagramsSent: number;
  /** Datagrams not sent because earlier ones of the session were still waiting. */
  datagramsSkipped: number;
  /** Datagrams not sent because they were too large, or the session was over. */
  datagramsRefused: number;
  datagramsReceived: number;
  /** Datagrams received and dropped: for no session, too many before it, or read too slowly. */
  datagramsDropped: number;
  /** Streams of clients dropped: for no session, or more than may wait. */
  streamsDropped: number;
}

export function newCounters(): Counters {
  return {
    connections: 0,
    connectionsRefused: 0,
    sessions: 0,
    requestsRefused: 0,
    protocolErrors: 0,
    datagramsSent: 0,
    datagramsSkipped: 0,
    datagramsRefused: 0,
    datagramsReceived: 0,
    datagramsDropped: 0,
    streamsDropped: 0,
  };
}
