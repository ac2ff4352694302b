import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ChannelPattern } from "./channel-pattern.ts";

const matches = (pattern: string, channel: string) => new ChannelPattern(pattern).matches(channel);

describe("a channel pattern", () => {
  test("without a star is one channel", () => {
    expect(matches("chat:room", "chat:room")).toBe(true);
    expect(matches("chat:room", "chat:room2")).toBe(false);
    expect(matches("chat:room", "xchat:room")).toBe(false);
    expect(matches("chat.room", "chat:room")).toBe(false);
  });

  test("that is a star is every channel", () => {
    for (const channel of ["a", "chat:room", "*", "\u{1f600}"]) {
      expect(matches("*", channel)).toBe(true);
    }
  });

  test("takes a star for any run of characters, also none", () => {
    expect(matches("chat:*", "chat:")).toBe(true);
    expect(matches("chat:*", "chat:room:1")).toBe(true);
    expect(matches("chat:*", "chats:room")).toBe(false);
    expect(matches("user:*:inbox", "user:7:inbox")).toBe(true);
    expect(matches("user:*:inbox", "user:7:outbox")).toBe(false);
    expect(matches("user:*:inbox", "user:inbox")).toBe(false);
    expect(matches("*:inbox", "user:7:inbox")).toBe(true);
    expect(matches("a*b*c", "a-b-b-c")).toBe(true);
    expect(matches("a*b*c", "a-c-b")).toBe(false);
  });

  test("does not count the same characters for both of its ends", () => {
    expect(matches("aba*aba", "ababa")).toBe(false);
    expect(matches("aba*aba", "abaaba")).toBe(true);
  });

  test("agrees with a naive matcher", () => {
    const unit = fc.constantFrom("a", "b", "*");
    fc.assert(
      fc.property(
        fc.string({ unit, minLength: 1, maxLength: 12 }),
        fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 16 }),
        (pattern, channel) => {
          expect(matches(pattern, channel)).toBe(naive(pattern, channel));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("of full length matches what is made to repeat", () => {
    const pattern = `${"*a".repeat(100)}*${"a".repeat(53)}b`;
    expect(matches(pattern, "a".repeat(255))).toBe(false);
    expect(matches(pattern, `${"a".repeat(154)}b`)).toBe(true);
    expect(matches(`*${"a".repeat(100)}b*`, `${"a".repeat(200)}bc`)).toBe(true);
  });

  test("is refused where it could not be the name of a channel", () => {
    for (const text of ["", "a".repeat(256), "a\nb", "\ud800"]) {
      expect(() => new ChannelPattern(text)).toThrow(RangeError);
    }
  });
});

function naive(pattern: string, channel: string): boolean {
  if (pattern === "") return channel === "";
  if (pattern.startsWith("*")) {
    return naive(pattern.slice(1), channel) || (channel !== "" && naive(pattern, channel.slice(1)));
  }
  return channel !== "" && channel[0] === pattern[0] && naive(pattern.slice(1), channel.slice(1));
}
