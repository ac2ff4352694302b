import ipaddr from "ipaddr.js";

export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** Longest text of an address that is looked at: IPv6 with an IPv4 tail and a zone id. */
const MAX_TEXT = 96;

/**
 * Reads an IP address; undefined when `text` is none.
 *
 * IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2) counts as IPv4. IPv4 is four decimal parts without
 * leading zeros: shorter, octal and hexadecimal forms mean different hosts to different programs
 * and are refused, as is the deprecated IPv4-compatible form `::192.0.2.1`.
 */
export function parseAddress(text: string): IpAddress | undefined {
  if (text.length > MAX_TEXT) return undefined;
  if (!text.includes(":")) {
    return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : undefined;
  }
  if (!ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  const zone = text.indexOf("%");
  const bare = zone < 0 ? text : text.slice(0, zone);
  if (bare.includes(".")) {
    const tail = bare.slice(bare.lastIndexOf(":") + 1);
    if (!ipaddr.IPv4.isValidFourPartDecimal(tail)) return undefined;
    if (address.isIPv4MappedAddress() && !/ffff/i.test(bare)) return undefined;
  }
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

/** The one spelling of an address (RFC 5952), without its zone id. */
export function formatAddress(address: IpAddress): string {
  if (address instanceof ipaddr.IPv4) return address.toString();
  return new ipaddr.IPv6(address.parts).toRFC5952String();
}

/**
 * The key under which an address is limited: an IPv4 address itself, for IPv6 its /64 network,
 * since one subscriber line commands a whole /64 (RFC 6177). Text that is no address is its own key.
 */
export function addressLimitKey(text: string): string {
  const address = parseAddress(text);
  if (address === undefined) return text;
  if (address instanceof ipaddr.IPv4) return address.toString();
  return `${formatAddress(new ipaddr.IPv6([...address.parts.slice(0, 4), 0, 0, 0, 0]))}/64`;
}
