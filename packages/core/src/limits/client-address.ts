import { StarlingError } from "@starling/protocol/errors.ts";
import { formatAddress, type IpAddress, parseAddress } from "./address.ts";
import type { AddressList } from "./address-list.ts";

/** Reads a request header by its lower-case name; repeated headers come joined by commas. */
export interface HeaderReader {
  get(name: string): string | null;
}

/**
 * The address of the client that a request is judged by, in its one spelling (RFC 5952, an
 * IPv4-mapped address as IPv4).
 *
 * Without proxies (`trustedProxies` undefined) that is the peer, and headers count for nothing.
 *
 * With proxies the peer must be one of them. Then, in this order:
 *
 * 1. `X-Forwarded-For`, when present, is walked from the right: every proxy appends the address it
 *    was called from, so the first entry that is not a trusted proxy is the client, and what stands
 *    left of it is the client's own claim and is not even read. When all are trusted proxies, the
 *    leftmost is the client.
 * 2. `CF-Connecting-IP` counts only in its absence. A proxy that appends to `X-Forwarded-For` but
 *    does not know the other header passes on what the client wrote there; Cloudflare sends both,
 *    with the same address, unless it is told to drop the first.
 *
 * A trusted proxy that sends neither is refused: taking its own address for the client's would let
 * everybody in whose proxy is on the allow-list.
 *
 * @throws StarlingError `proxy_forbidden` when the peer is not a trusted proxy, or the chain has
 *   an entry that is no address.
 */
export function clientAddress(
  peer: string,
  headers: HeaderReader,
  trustedProxies: AddressList | undefined,
): string {
  const peerAddress = parseAddress(peer);
  if (peerAddress === undefined) {
    throw new StarlingError("proxy_forbidden", "the peer has no IP address");
  }
  if (trustedProxies === undefined) return formatAddress(peerAddress);
  if (!trustedProxies.contains(peerAddress)) throw new StarlingError("proxy_forbidden");
  const forwarded = headers.get("x-forwarded-for");
  if (forwarded !== null) return formatAddress(walk(forwarded, trustedProxies));
  const connecting = headers.get("cf-connecting-ip");
  if (connecting === null) {
    throw new StarlingError(
      "proxy_forbidden",
      "the proxy sent neither X-Forwarded-For nor CF-Connecting-IP",
    );
  }
  const address = parseAddress(connecting.trim());
  if (address === undefined) throw malformed("CF-Connecting-IP");
  return formatAddress(address);
}

function walk(forwarded: string, trustedProxies: AddressList): IpAddress {
  let leftmost: IpAddress | undefined;
  for (let end = forwarded.length; end >= 0; ) {
    const comma = end === 0 ? -1 : forwarded.lastIndexOf(",", end - 1);
    const entry = forwarded.slice(comma + 1, end).trim();
    end = comma;
    // RFC 9110 section 5.6.1.2: empty list elements are ignored.
    if (entry === "") continue;
    const address = parseAddress(withoutPort(entry));
    if (address === undefined) throw malformed("X-Forwarded-For");
    if (!trustedProxies.contains(address)) return address;
    leftmost = address;
  }
  if (leftmost === undefined) throw malformed("X-Forwarded-For");
  return leftmost;
}

/** Some proxies write `192.0.2.1:4711`, `[2001:db8::1]` or `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const bracketed = /^\[([^\]:]*:[^\]]*)\](?::\d{1,5})?$/.exec(entry);
  if (bracketed !== null) return bracketed[1] ?? "";
  return /^([\d.]+):\d{1,5}$/.exec(entry)?.[1] ?? entry;
}

function malformed(header: string): StarlingError {
  return new StarlingError("proxy_forbidden", `${header} holds something that is no IP address`);
}
