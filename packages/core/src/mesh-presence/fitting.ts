import type { PresenceEvent } from "../broker/broker.ts";

/** Bytes of a state or a payload beyond which a message could be larger than a server takes. */
export const MAX_STATE_BYTES = 256 * 1024;

/** The event as other nodes can be told of it: without a state or a payload that is too large. */
export function fitting(event: PresenceEvent): PresenceEvent {
  switch (event.type) {
    case "join":
      if (fits(event.member.state)) return event;
      return { type: "join", member: { ...event.member, state: undefined } };
    case "online":
      return fits(event.payload) ? event : { type: "online", connection: event.connection };
    case "state": {
      const { connection, clientId, state } = event;
      return fits(state) ? event : { type: "rename", connection, clientId };
    }
    default:
      return event;
  }
}

function fits(bytes: Uint8Array | undefined): boolean {
  return (bytes?.length ?? 0) <= MAX_STATE_BYTES;
}
