import { describe, expect, test } from "bun:test";
import { AllowedOrigins } from "./allowed-origins.ts";

describe("an origin is allowed", () => {
  test.each([
    ["that is listed", ["https://a.example"], "https://a.example", "b.example"],
    ["that is listed in other letters", ["https://A.example"], "https://a.EXAMPLE", "b.example"],
    ["of the host that was asked", [], "https://a.example:8443", "a.example:8443"],
    ["of any kind where all are", ["*"], "null", "a.example"],
  ])("%s", (_name, list, origin, host) => {
    expect(new AllowedOrigins(list).allows(origin, host)).toBe(true);
  });

  test("where there is none", () => {
    expect(new AllowedOrigins([]).allows(null, "a.example")).toBe(true);
  });
});

describe("an origin is refused", () => {
  test.each([
    ["that is not listed", ["https://a.example"], "https://b.example", "c.example"],
    ["of another port of the host", [], "https://a.example", "a.example:8443"],
    ["that only ends like the host", [], "https://evil@a.example", "a.example"],
    ["of a document without one", [], "null", "null"],
    ["where it is not known which host was asked", [], "https://a.example", null],
  ])("%s", (_name, list, origin, host) => {
    expect(new AllowedOrigins(list).allows(origin, host)).toBe(false);
  });
});
