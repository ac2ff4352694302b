import type { Disconnection } from "../broker/elsewhere.ts";

/** So many were, and everybody has answered. */
export function disconnected(connections: number): Disconnection {
  return { connections, unanswered: [], isComplete: true };
}
