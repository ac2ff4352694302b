import type { PresencePeer } from "./peer.ts";

/** A server of sessions over WebTransport; both URLs of the running peer are origins. */
export interface QuicPeer
  extends Pick<PresencePeer, "name" | "versions" | "start" | "memberPath" | "speaksSignals"> {
  /** Datagrams that have come so far; `publisher` is that of the running peer. */
  datagramsReceived(publisher: URL): Promise<number>;
}
