import ipaddr from "ipaddr.js";
import { type IpAddress, parseAddress } from "./address.ts";

type Range = readonly [network: IpAddress, prefixLength: number];

/**
 * A list of addresses and CIDR ranges (RFC 4632, RFC 4291 section 2.3).
 *
 * IPv4-mapped IPv6 counts as IPv4 on both sides, so `::ffff:10.0.0.0/104` is `10.0.0.0/8`; `::/0`
 * holds every IPv6 address and no IPv4 address. A zone id of an address is ignored, since it names
 * an interface of this machine only; in an entry it is a fault. An empty list holds nothing.
 */
export class AddressList {
  readonly #ranges: readonly Range[];

  private constructor(ranges: readonly Range[]) {
    this.#ranges = ranges;
  }

  /** @throws RangeError that names every entry that is neither an address nor a range. */
  static parse(entries: readonly string[]): AddressList {
    const ranges: Range[] = [];
    const faults: string[] = [];
    for (const entry of entries) {
      const range = parseEntry(entry.trim());
      if (range === undefined) faults.push(JSON.stringify(entry));
      else ranges.push(range);
    }
    if (faults.length > 0) {
      throw new RangeError(
        `not an IP address or CIDR range: ${faults.join(", ")}; write 192.0.2.7, 192.0.2.0/24, 2001:db8::1 or 2001:db8::/32`,
      );
    }
    return new AddressList(ranges);
  }

  /** Whether the address is in the list; text that is no address is not. */
  contains(address: string | IpAddress): boolean {
    const parsed = typeof address === "string" ? parseAddress(address) : address;
    if (parsed === undefined) return false;
    for (const [network, prefixLength] of this.#ranges) {
      if (network.kind() === parsed.kind() && parsed.match(network, prefixLength)) return true;
    }
    return false;
  }
}

function parseEntry(entry: string): Range | undefined {
  if (entry.includes("%")) return undefined;
  const slash = entry.indexOf("/");
  const address = parseAddress(slash < 0 ? entry : entry.slice(0, slash));
  if (address === undefined) return undefined;
  const bits = address instanceof ipaddr.IPv4 ? 32 : 128;
  if (slash < 0) return [address, bits];
  const length = entry.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefixLength = Number(length);
  if (!entry.includes(":") || bits === 128) {
    return prefixLength <= bits ? [address, prefixLength] : undefined;
  }
  // A mapped network whose prefix is shorter than the mapping's own 96 bits is not an IPv4 network.
  return prefixLength >= 96 && prefixLength <= 128 ? [address, prefixLength - 96] : undefined;
}
