/** What the core counts since its start; each field only grows, but for `connections`. */
export class Counters {
  /** Connections open now. */
  connections = 0;
  /** Publications accepted for delivery. */
  publications = 0;
  /** Publications times the subscribers that each was handed to. */
  deliveries = 0;
  /** Connections that were cut because they did not read fast enough. */
  slowConsumers = 0;
  /** Clients that were cut while they got what they had missed: they read too slowly for what was published. */
  unfinishedRecoveries = 0;
  /** Messages of volatile namespaces that were not kept for a subscriber that was not ready. */
  volatileDrops = 0;
  /** Connections closed because a heartbeat was not answered in time. */
  pingTimeouts = 0;
  /** Connections closed because they did not authenticate in time. */
  authenticationTimeouts = 0;
  /** Connections closed because a packet broke the protocol. */
  malformedPackets = 0;
  /** Signals that were dropped: undecodable, unknown, not allowed, or for a channel not joined. */
  droppedSignals = 0;
  /** Connections cut because they sent more messages a second than they may. */
  floods = 0;
  /** Connections cut because a message, payload or state was too large, or for too many channels. */
  limitsExceeded = 0;
  /** Handshakes refused: origin, rate by address, or budget. */
  refusedHandshakes = 0;
  /** Connects refused: token, user id, or rate by user. */
  refusedConnects = 0;
  /** Long-polling requests that were passed on to the worker that has the session. */
  requestsPassedOn = 0;
  /** Those that no worker answered, or that were too many at one time. */
  requestsNotPassedOn = 0;
  /** Sessions of other workers that came here with their WebSocket. */
  sessionsMoved = 0;
  /** Sessions that were on their way here and were given up; their clients come back anew. */
  failedMoves = 0;
  /** Socket.IO connections whose clients came back to them and missed nothing. */
  recoveredConnections = 0;
  /** Those whose clients came back and had to begin anew. */
  unrecoveredConnections = 0;
  /** States of connections that were dropped to make room for others. */
  statesDropped = 0;
}
