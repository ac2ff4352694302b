import type { Counters } from "./counters.ts";

/** The counters that only grow. */
export type TotalName = Exclude<keyof Counters, "connections">;

/** What each total counts, in the words of the metrics. */
export const totalHelp: Readonly<Record<TotalName, string>> = {
  publications: "Publications accepted for delivery",
  deliveries: "Publications times the subscribers that each was handed to",
  slowConsumers: "Connections cut because they read too slowly",
  unfinishedRecoveries:
    "Clients cut while they got what they had missed, since they read too slowly",
  volatileDrops: "Messages of volatile namespaces dropped for subscribers that were not ready",
  pingTimeouts: "Connections closed because a heartbeat was not answered",
  authenticationTimeouts: "Connections closed because they did not authenticate in time",
  malformedPackets: "Connections closed because a packet broke the protocol",
  droppedSignals: "Signals dropped: undecodable, unknown, not allowed, or not joined",
  floods: "Connections cut because they sent too many messages a second",
  limitsExceeded: "Connections cut for too large a message, or too many channels",
  refusedHandshakes: "Handshakes refused: origin, rate by address, budget, credentials",
  refusedConnects: "Connects refused: token, user id, or rate by user",
  requestsPassedOn: "Long-polling requests passed on to the worker that has the session",
  requestsNotPassedOn: "Long-polling requests for another worker that were not answered",
  sessionsMoved: "Sessions of other workers that came with their WebSocket",
  failedMoves: "Sessions given up on their way from another worker",
  recoveredConnections: "Socket.IO connections whose clients came back and missed nothing",
  unrecoveredConnections: "Socket.IO clients that came back and had to begin anew",
  statesDropped: "States of Socket.IO connections dropped before their clients came back",
};

/** `slowConsumers` as `starling_slow_consumers_total`. */
export function totalMetricName(name: string): string {
  return `starling_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`;
}
