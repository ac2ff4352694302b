import { describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import { AddressList } from "./address-list.ts";
import { clientAddress } from "./client-address.ts";

const trusted = AddressList.parse(["10.0.0.0/8", "2001:db8:aaaa::/48"]);

function resolve(peer: string, headers: Record<string, string>, proxies = trusted): string {
  try {
    return clientAddress(peer, { get: (name) => headers[name] ?? null }, proxies);
  } catch (error) {
    if (error instanceof StarlingError) return error.errorName;
    throw error;
  }
}

describe("without proxies", () => {
  test("the peer is the client, and headers count for nothing", () => {
    const headers = { "x-forwarded-for": "10.1.1.1", "cf-connecting-ip": "10.1.1.1" };
    const read = { get: (name: string) => headers[name as keyof typeof headers] ?? null };
    expect(clientAddress("192.0.2.1", read, undefined)).toBe("192.0.2.1");
    expect(clientAddress("::ffff:192.0.2.1", read, undefined)).toBe("192.0.2.1");
  });

  test("a peer without an IP address is refused", () => {
    expect(() => clientAddress("", { get: () => null }, undefined)).toThrow("no IP address");
  });
});

describe("behind proxies", () => {
  test("a peer that is no trusted proxy is refused, whatever it claims", () => {
    expect(resolve("192.0.2.1", { "x-forwarded-for": "10.1.1.1" })).toBe("proxy_forbidden");
    expect(resolve("192.0.2.1", { "cf-connecting-ip": "10.1.1.1" })).toBe("proxy_forbidden");
    expect(resolve("192.0.2.1", {})).toBe("proxy_forbidden");
  });

  test("the entry that the trusted peer appended is the client", () => {
    expect(resolve("10.0.0.1", { "x-forwarded-for": "198.51.100.7" })).toBe("198.51.100.7");
    expect(resolve("::ffff:10.0.0.1", { "x-forwarded-for": "198.51.100.7" })).toBe("198.51.100.7");
  });

  test("a client cannot spoof its address with an X-Forwarded-For of its own", () => {
    const chain = "127.0.0.1, 10.0.0.9, 198.51.100.7, 10.0.0.2";
    expect(resolve("10.0.0.1", { "x-forwarded-for": chain })).toBe("198.51.100.7");
  });

  test("a client cannot spoof its address with a CF-Connecting-IP of its own", () => {
    const headers = { "x-forwarded-for": "198.51.100.7", "cf-connecting-ip": "127.0.0.1" };
    expect(resolve("10.0.0.1", headers)).toBe("198.51.100.7");
  });

  test("garbage that the client put in front of the chain is not read", () => {
    expect(resolve("10.0.0.1", { "x-forwarded-for": "<script>,,;, 198.51.100.7" })).toBe(
      "198.51.100.7",
    );
  });

  test("the chain is walked past several trusted proxies, IPv6 ones too", () => {
    const chain = "198.51.100.7, 2001:db8:aaaa::1, [2001:db8:aaaa::2]:443, 10.0.0.3:8080";
    expect(resolve("10.0.0.1", { "x-forwarded-for": chain })).toBe("198.51.100.7");
  });

  test("when every entry is a trusted proxy the leftmost is the client", () => {
    expect(resolve("10.0.0.1", { "x-forwarded-for": "10.0.0.3, 10.0.0.2" })).toBe("10.0.0.3");
  });

  test("ports and brackets are taken off", () => {
    const forms: [string, string][] = [
      ["198.51.100.7:4711", "198.51.100.7"],
      ["[2001:db8::7]", "2001:db8::7"],
      ["[2001:db8::7]:4711", "2001:db8::7"],
      ["2001:DB8::7", "2001:db8::7"],
      ["::ffff:198.51.100.7", "198.51.100.7"],
      ["[::ffff:198.51.100.7]:1", "198.51.100.7"],
    ];
    for (const [entry, address] of forms) {
      expect(resolve("10.0.0.1", { "x-forwarded-for": entry })).toBe(address);
    }
  });

  test("a malformed entry where the client should stand is refused", () => {
    const entries = ["unknown", "_hidden", "[198.51.100.7]", "198.51.100.7:", "[::1", "::1]:80"];
    entries.push(
      "[::1]x",
      "198.51.100.7:123456",
      "198.51.100",
      "10.0.0.1 10.0.0.2",
      "",
      ",",
      " , ",
    );
    for (const entry of entries) {
      expect([entry, resolve("10.0.0.1", { "x-forwarded-for": entry })]).toEqual([
        entry,
        "proxy_forbidden",
      ]);
    }
  });

  test("empty list elements are ignored", () => {
    expect(resolve("10.0.0.1", { "x-forwarded-for": "198.51.100.7, ,10.0.0.2,," })).toBe(
      "198.51.100.7",
    );
  });

  test("CF-Connecting-IP counts in the absence of X-Forwarded-For", () => {
    expect(resolve("10.0.0.1", { "cf-connecting-ip": "198.51.100.7" })).toBe("198.51.100.7");
    expect(resolve("10.0.0.1", { "cf-connecting-ip": "2001:db8::7" })).toBe("2001:db8::7");
    expect(resolve("10.0.0.1", { "cf-connecting-ip": "1.1.1.1, 2.2.2.2" })).toBe("proxy_forbidden");
    expect(resolve("10.0.0.1", { "cf-connecting-ip": "" })).toBe("proxy_forbidden");
  });

  test("a trusted proxy that names no client is refused", () => {
    expect(resolve("10.0.0.1", {})).toBe("proxy_forbidden");
  });

  test("whatever a client writes, it can only add to the left of what its proxy appends", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii", maxLength: 200 }), (claim) => {
        const headers = { "x-forwarded-for": `${claim}, 198.51.100.7`, "cf-connecting-ip": claim };
        expect(resolve("10.0.0.1", headers)).toBe("198.51.100.7");
      }),
    );
  });

  test("any header at all gives an address or a refusal", () => {
    const piece = fc.constantFrom("10.0.0.1", "::1", "[", "]", ":", ",", " ", "%", "1.2.3.4", "80");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const result = resolve("10.0.0.1", { "x-forwarded-for": pieces.join("") });
        expect(typeof result).toBe("string");
      }),
    );
  });
});
