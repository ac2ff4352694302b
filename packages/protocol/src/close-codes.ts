/**
 * The catalogue of close codes, in the range that RFC 6455 section 7.4.2 leaves to applications.
 *
 * 4000–4499: the client should reconnect. 4500–4999: the client should not reconnect by itself.
 */
export interface CloseDefinition {
  /** WebSocket close code. */
  readonly code: number;
  /** WebSocket close reason, at most 123 bytes. */
  readonly reason: string;
}

export const closeCatalogue = {
  shutting_down: { code: 4000, reason: "server is shutting down" },
  slow_consumer: { code: 4001, reason: "slow consumer" },
  ping_timeout: { code: 4002, reason: "ping timeout" },
  authentication_timeout: { code: 4003, reason: "authentication timeout" },
  internal_error: { code: 4006, reason: "internal error" },
  token_expired: { code: 4004, reason: "token expired; reconnect with a new one" },
  limit_exceeded: { code: 4005, reason: "limit exceeded; reconnect after a while" },
  messages_missed: { code: 4007, reason: "messages may have been missed; reconnect" },
  disconnected_by_publisher: { code: 4500, reason: "disconnected by the publisher API" },
  malformed_packet: { code: 4501, reason: "malformed packet" },
} as const satisfies Record<string, CloseDefinition>;

export type CloseName = keyof typeof closeCatalogue;

/** Whether a client that was closed with `code` should connect again by itself. */
export function shouldReconnect(code: number): boolean {
  return code < 4500 || code > 4999;
}
