import type { AddressList } from "@starling/core/limits/address-list.ts";
import { clientAddress } from "@starling/core/limits/client-address.ts";
import type { SocketHandler } from "@starling/core/sessions/socket-handler.ts";
import type { Server } from "bun";

/**
 * The address by which a subscriber is limited.
 *
 * @throws StarlingError `proxy_forbidden` when a trusted proxy sent a malformed chain
 */
export type ClientAddress = (request: Request, server: Server<SocketHandler>) => string;

/** Subscribers may also come directly; only the publisher port insists on its proxies. */
export function subscriberAddress(proxies: AddressList | undefined): ClientAddress {
  return (request, server) => {
    const peer = server.requestIP(request)?.address ?? "";
    if (proxies?.contains(peer) !== true) return peer;
    return clientAddress(peer, request.headers, proxies);
  };
}
