import type { SubscriberDialect } from "./peer.ts";

/** Whoever has opened the WebSocket at `path` is a subscriber, and each message a publication. */
export function plainDialect(path: string): SubscriberDialect {
  return { path, opened: (session) => session.join(), received: () => 1 };
}
