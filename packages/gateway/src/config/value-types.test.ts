import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addressList,
  clientAddresses,
  flag,
  host,
  httpAddress,
  instances,
  keyList,
  originList,
  pattern,
  port,
  publicKeyList,
  region,
  secretText,
  type ValueType,
  wholeNumber,
} from "./value-types.ts";

const accepts = (type: ValueType<unknown>, text: string) => type.safeParse(text).success;
const reason = (type: ValueType<unknown>, text: string) =>
  type.safeParse(text).error?.issues[0]?.message;

describe("a whole number", () => {
  test("is read from decimal digits inside its bounds", () => {
    expect(wholeNumber(5, 10).parse("10")).toBe(10);
    for (const text of ["4", "11", "-5", "5.5", "1e1", "0x7", "", " 7", "9".repeat(400)]) {
      expect(accepts(wholeNumber(5, 10), text)).toBe(false);
    }
  });

  test("of a port reaches from 0 to 65535", () => {
    expect([port().parse("0"), port().parse("65535")]).toEqual([0, 65_535]);
    expect(accepts(port(), "65536")).toBe(false);
  });
});

test("a flag is 0 or 1 and nothing else", () => {
  expect([flag().parse("0"), flag().parse("1")]).toEqual([false, true]);
  for (const text of ["true", "yes", "01", ""]) expect(accepts(flag(), text)).toBe(false);
});

test("cluster instances are a number, max, or all cores but some", () => {
  for (const text of ["max", "0", "-1", "-3", "16"]) expect(instances().parse(text)).toBe(text);
  for (const text of ["min", "--2", "1.5"]) expect(accepts(instances(), text)).toBe(false);
});

test("a host is an address or a name", () => {
  for (const text of ["::", "::1", "0.0.0.0", "localhost", "push-1.example.org"]) {
    expect(host().parse(text)).toBe(text);
  }
  for (const text of ["[::1]", "256.1.1.1", "a b", "-a", "http://a", "a".repeat(64)]) {
    expect(accepts(host(), text)).toBe(false);
  }
});

test("a pattern that is no regular expression is refused with the reason", () => {
  expect(pattern().parse("^a+$").test("aaa")).toBe(true);
  expect(reason(pattern(), "[")).toContain("Invalid regular expression");
});

describe("a list of addresses", () => {
  test("takes single addresses and ranges, and drops blanks and empty entries", () => {
    expect(addressList().parse(" 10.0.0.0/8, ,::1 ,fe80::/10,")).toEqual([
      "10.0.0.0/8",
      "::1",
      "fe80::/10",
    ]);
  });

  test("names each entry that is wrong", () => {
    const message = reason(addressList(), "10.0.0.0/33,::1/129,10.0.0.1,fe80::1%eth0,1.2.3.4/8/9");
    for (const bad of ["10.0.0.0/33", "::1/129", "fe80::1%eth0", "1.2.3.4/8/9"]) {
      expect(message).toContain(`"${bad}"`);
    }
    expect(message).not.toContain(`"10.0.0.1"`);
  });
});

describe("a list of origins", () => {
  test("is kept in the form that browsers send", () => {
    expect(
      originList().parse("https://Example.org:443,http://localhost:3000,*,Capacitor://localhost"),
    ).toEqual(["https://example.org", "http://localhost:3000", "*", "capacitor://localhost"]);
  });

  test("refuses what has a path, and names the origin that is meant", () => {
    expect(reason(originList(), "https://example.org/")).toContain(
      "its origin is https://example.org",
    );
    expect(accepts(originList(), "https://example.org/chat")).toBe(false);
    expect(accepts(originList(), "https://user@example.org")).toBe(false);
  });

  test("refuses what is no address at all", () => {
    for (const text of [
      "example.org",
      "//example.org",
      "https://",
      "null",
      "https://*.example.org/",
    ]) {
      expect(accepts(originList(), text)).toBe(false);
    }
  });

  test("never throws, and what it answers it accepts again", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl()), (text) => {
        const result = originList().safeParse(text);
        if (result.success) expect(originList().parse(result.data.join(","))).toEqual(result.data);
      }),
    );
  });
});

test("a short key is refused by its position, and is not repeated in the message", () => {
  const type = keyList(16);
  expect(type.parse("0123456789abcdef,fedcba9876543210")).toHaveLength(2);
  const message = reason(type, "0123456789abcdef,hunter2");
  expect(message).toContain("entry 2");
  expect(message).not.toContain("hunter2");
});

test("a secret is measured in bytes, and is not repeated in the message", () => {
  expect(secretText(8).parse("пароль")).toBe("пароль");
  expect(reason(secretText(8), "hunter2")).toBe("has 7 bytes");
});

describe("a list of public keys", () => {
  test("gives each key its app, or the default one", () => {
    expect([...publicKeyList().parse("k1:shop, k2,k3:default,k1:shop,")]).toEqual([
      ["k1", "shop"],
      ["k2", "default"],
      ["k3", "default"],
    ]);
  });

  test("names each entry that is wrong", () => {
    const message = reason(publicKeyList(), "k 1:shop,:shop,k2:,k3:a:b,k4:a b,good:shop");
    for (const bad of ["k 1:shop", ":shop", "k2:", "k3:a:b", "k4:a b"]) {
      expect(message).toContain(`"${bad}"`);
    }
    expect(message).not.toContain("good");
  });

  test("gives no key to two apps", () => {
    expect(reason(publicKeyList(), "k1:a,k1:b")).toBe('"k1" has two apps');
  });
});

test("an address of another server is one of HTTP, without a password", () => {
  expect(httpAddress().parse("https://Hook.example/auth?a=1")).toBe(
    "https://hook.example/auth?a=1",
  );
  expect(httpAddress().parse("http://10.0.0.1:3000")).toBe("http://10.0.0.1:3000/");
  for (const text of ["hook.example", "ftp://hook.example", "//hook.example", "https://"]) {
    expect(accepts(httpAddress(), text)).toBe(false);
  }
  expect(reason(httpAddress(), "https://me:secret@hook.example")).toContain("password");
});

test("addresses for clients are a few origins over TLS", () => {
  const type = clientAddresses();
  expect(type.parse("https://EU.example.org:443, https://[2001:db8::1]:8443")).toEqual([
    "https://eu.example.org",
    "https://[2001:db8::1]:8443",
  ]);
  const four = "https://a.example,https://b.example,https://c.example,https://d.example";
  expect(type.parse(four)).toHaveLength(4);
  const wrong = [
    "http://eu.example.org",
    "wss://eu.example.org",
    "eu.example.org",
    "https://eu.example.org/path",
    "https://user@eu.example.org",
    "*",
    `https://${"a".repeat(200)}.example`,
    `${four},https://e.example`,
  ];
  for (const text of wrong) expect(accepts(type, text)).toBe(false);
});

test("a region is a short name", () => {
  expect(region().parse("eu-west.1_a")).toBe("eu-west.1_a");
  for (const text of ["", "eu west", "eu/west", "é", "r".repeat(65)]) {
    expect(accepts(region(), text)).toBe(false);
  }
});
