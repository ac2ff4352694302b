import type { MessageSocket } from "../ports.ts";

/** What a listener tells the session behind a socket; one object may stand behind several. */
export interface SocketHandler {
  opened(socket: MessageSocket): void;
  message(socket: MessageSocket, message: string | Uint8Array): void;
  /** What was buffered for the peer has left. */
  drained(socket: MessageSocket): void;
  /** The peer answered a ping, with the payload that it had. */
  ponged?(socket: MessageSocket, payload: Uint8Array): void;
  /** The link is gone, whoever ended it; `code` is the WebSocket close code. */
  closed(socket: MessageSocket, code: number): void;
}
