import { expect, test } from "bun:test";
import fc from "fast-check";
import { addressLimitKey, formatAddress, parseAddress } from "./address.ts";
import { AddressList } from "./address-list.ts";

function spelled(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
}

test("an address has one spelling", () => {
  expect(spelled("192.0.2.1")).toBe("192.0.2.1");
  expect(spelled("2001:DB8:0:0:0:0:0:1")).toBe("2001:db8::1");
  expect(spelled("fe80::1%eth0")).toBe("fe80::1");
  expect(spelled("64:ff9b::192.0.2.1")).toBe("64:ff9b::c000:201");
});

test("IPv4-mapped IPv6 counts as IPv4", () => {
  expect(spelled("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(spelled("::FFFF:c000:0201")).toBe("192.0.2.1");
  expect(spelled("0:0:0:0:0:ffff:192.0.2.1")).toBe("192.0.2.1");
});

test("forms that programs read differently are no addresses", () => {
  const forms = ["", "10", "10.1", "1.2.3", "010.0.0.1", "0x7f.0.0.1", "2130706433", "1.2.3.256"];
  forms.push("::1.2.3.4", "::ffff:010.0.0.1", "::ffff:1.2.3", "[::1]", "::1%", "1.2.3.4 ", " ::1");
  forms.push("1.2.3.4:80", "localhost", "unknown", "1.2.3.4%eth0", ":", "::1::", "g::1");
  forms.push(`fe80::1%${"x".repeat(1000)}`);
  for (const form of forms) expect([form, spelled(form)]).toEqual([form, undefined]);
});

test("a range holds its addresses and no others", () => {
  const list = AddressList.parse(["10.0.0.0/8", "192.0.2.7", " 2001:db8::/32 ", "172.16.0.0/12"]);
  const inside = ["10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8:ffff::1", "172.31.255.255"];
  const outside = ["11.0.0.0", "9.255.255.255", "192.0.2.8", "2001:db9::", "172.32.0.0", "::a00:1"];
  for (const address of inside) expect([address, list.contains(address)]).toEqual([address, true]);
  for (const address of outside)
    expect([address, list.contains(address)]).toEqual([address, false]);
});

test("an IPv4 range holds mapped addresses, and a mapped range holds IPv4 addresses", () => {
  expect(AddressList.parse(["127.0.0.0/8"]).contains("::ffff:127.0.0.1")).toBe(true);
  expect(AddressList.parse(["::ffff:10.0.0.0/104"]).contains("10.9.9.9")).toBe(true);
  expect(AddressList.parse(["::ffff:10.0.0.0/104"]).contains("11.9.9.9")).toBe(false);
  expect(AddressList.parse(["::ffff:192.0.2.7"]).contains("192.0.2.7")).toBe(true);
  expect(AddressList.parse(["192.0.2.7"]).contains("::ffff:192.0.2.7")).toBe(true);
});

test("::/0 holds every IPv6 address and no IPv4 address, 0.0.0.0/0 the reverse", () => {
  const six = AddressList.parse(["::/0"]);
  const four = AddressList.parse(["0.0.0.0/0"]);
  expect([six.contains("2001:db8::1"), six.contains("192.0.2.1")]).toEqual([true, false]);
  expect([four.contains("2001:db8::1"), four.contains("192.0.2.1")]).toEqual([false, true]);
  expect(six.contains("::ffff:192.0.2.1")).toBe(false);
});

test("host bits of a range do not matter", () => {
  expect(AddressList.parse(["10.1.2.3/8"]).contains("10.200.0.1")).toBe(true);
});

test("the zone id of an address is ignored", () => {
  expect(AddressList.parse(["fe80::/10"]).contains("fe80::1%eth0")).toBe(true);
});

test("an empty list holds nothing, and what is no address is in no list", () => {
  expect(AddressList.parse([]).contains("127.0.0.1")).toBe(false);
  const all = AddressList.parse(["0.0.0.0/0", "::/0"]);
  for (const text of ["", "unknown", "1.2.3", "10.0.0.1, 10.0.0.2"]) {
    expect(all.contains(text)).toBe(false);
  }
});

test("every invalid entry is named in one error", () => {
  const entries = [
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10/8",
    "x",
    "",
    "1.2.3.4/08",
    "1.2.3.4/8/8",
  ];
  entries.push("fe80::1%eth0", "fe80::%eth0/10", "::ffff:10.0.0.0/95", "1.2.3.4/-1", "1.2.3.4/1e1");
  for (const entry of entries) {
    expect(() => AddressList.parse([entry])).toThrow(JSON.stringify(entry));
  }
  expect(() => AddressList.parse(["a", "10.0.0.1", "b"])).toThrow('"a", "b"');
});

test("an IPv4 range agrees with arithmetic on 32-bit numbers", () => {
  const number = fc.integer({ min: 0, max: 0xffffffff });
  const text = (value: number) =>
    [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");
  fc.assert(
    fc.property(number, number, fc.integer({ min: 0, max: 32 }), (network, flips, length) => {
      const address = (network ^ (length === 32 ? 0 : flips >>> length)) >>> 0;
      const other = (network ^ flips) >>> 0;
      const list = AddressList.parse([`${text(network)}/${length}`]);
      expect(list.contains(text(address))).toBe(true);
      const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
      expect(list.contains(text(other))).toBe((other & mask) >>> 0 === (network & mask) >>> 0);
    }),
  );
});

test("an IPv4 address is limited by itself, an IPv6 address by its /64", () => {
  expect(addressLimitKey("192.0.2.1")).toBe("192.0.2.1");
  expect(addressLimitKey("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(addressLimitKey("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(addressLimitKey("2001:db8:1:2::ffff")).toBe("2001:db8:1:2::/64");
  expect(addressLimitKey("2001:db8:1:3::ffff")).toBe("2001:db8:1:3::/64");
  expect(addressLimitKey("fe80::1%eth0")).toBe("fe80::/64");
  expect(addressLimitKey("unknown")).toBe("unknown");
});
