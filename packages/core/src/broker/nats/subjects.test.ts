import { expect, test } from "bun:test";
import fc from "fast-check";
import { Subjects, subjectToken } from "./subjects.ts";

const name = fc.oneof(
  fc.string({ unit: "binary", maxLength: 255 }),
  fc.string({
    unit: fc.constantFrom("a", "=", "3", "A", "h", ".", "*", ">", " ", "ä", "\u{1F600}"),
  }),
);

/** The name of a token that is no hash. */
function decoded(token: string): string {
  if (token === "=") return "";
  return decodeURIComponent(token.replaceAll("%", "%25").replaceAll("=", "%"));
}

test("a token has no character that a subject gives a meaning to", () => {
  fc.assert(
    fc.property(name, (text) => {
      const token = subjectToken(text.toWellFormed());
      expect(token).toMatch(/^[\w=-]+$/);
      expect(token.length).toBeLessThanOrEqual(512);
    }),
  );
});

test("a token that is no hash says its name", () => {
  fc.assert(
    fc.property(name, (text) => {
      const token = subjectToken(text.toWellFormed());
      if (!token.startsWith("=h")) expect(decoded(token)).toBe(text.toWellFormed());
    }),
  );
});

test("different names have different tokens, long ones too", () => {
  fc.assert(
    fc.property(name, name, (a, b) => {
      const [one, other] = [a.toWellFormed(), b.toWellFormed()];
      expect(subjectToken(one) === subjectToken(other)).toBe(one === other);
    }),
  );
  const long = "\u{1F600}".repeat(127);
  expect(subjectToken(long)).toMatch(/^=h[\w-]{43}$/);
  expect(subjectToken(`${long}a`)).not.toBe(subjectToken(long));
  expect(subjectToken("a".repeat(600))).toMatch(/^=h[\w-]{43}$/);
});

test("subjects and streams are named as the documentation says", () => {
  const subjects = new Subjects("starling");
  expect(subjects.channel("default", "chat:Ä b")).toBe("starling.pub.default.chat=3A=C3=84=20b");
  expect(subjects.kept("default", "", "news")).toBe("starling.kept.default.=.news");
  expect(subjects.live("my.app", "chat", "chat:1")).toBe("starling.live.my=2Eapp.chat.chat=3A1");
  expect(subjects.stream("default", "")).toBe("starling+default+=");
});

test("a channel has the same subject however many others there are", () => {
  const subjects = new Subjects("starling");
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 10_000; index++) {
      expect(subjects.channel("default", `c:${index}`)).toBe(`starling.pub.default.c=3A${index}`);
      const kept = subjects.kept("default", "c", `c:${index}`);
      expect(kept).toBe(`starling.kept.default.c.c=3A${index}`);
    }
  }
  expect(subjects.channel("another", "c:1")).toBe("starling.pub.another.c=3A1");
  expect(subjects.kept("default", "another", "c:1")).toBe("starling.kept.default.another.c=3A1");
});
