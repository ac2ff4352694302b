import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readVerdict, WebhookFailure } from "./webhook-answer.ts";

function failureOf(status: number, body: string): WebhookFailure {
  try {
    readVerdict(status, body);
  } catch (error) {
    if (error instanceof WebhookFailure) return error;
    throw error;
  }
  throw new Error("it is a verdict");
}

describe("an answer with status 200", () => {
  test("accepts, and may say as whom, with what, for how long", () => {
    const body = JSON.stringify({
      app: "shop",
      user: "ada",
      permissions: { subscribe: ["chat:*"] },
      ttlSeconds: 60,
    });
    const verdict = readVerdict(200, body);
    expect(verdict).toMatchObject({ accepted: true, app: "shop", user: "ada", ttlSeconds: 60 });
    expect(verdict.accepted && verdict.permissions?.subscribe[0]?.text).toBe("chat:*");
  });

  test("may leave everything out, or say null", () => {
    const nothing = { accepted: true, app: undefined, user: undefined, ttlSeconds: undefined };
    expect(readVerdict(200, "{}")).toMatchObject(nothing);
    expect(readVerdict(200, '{"app":null,"user":null,"ttlSeconds":null}')).toMatchObject(nothing);
  });

  const faults: readonly (readonly [string, string])[] = [
    ["", "no JSON object"],
    ["<html>sign in</html>", "no JSON object"],
    ["[]", "no JSON object"],
    ["null", "no JSON object"],
    ['{"permisions":{}}', 'unknown key "permisions"'],
    ['{"app":""}', "app must be a name"],
    ['{"user":7}', "a user id must be a string"],
    ['{"permissions":{"subscribe":"*"}}', "subscribe must be a list"],
    ['{"ttlSeconds":0}', "ttlSeconds must be"],
    ['{"ttlSeconds":1e300}', "ttlSeconds must be"],
  ];
  test.each(faults)(
    "is no verdict with the body %p, and asking again does not help",
    (body, text) => {
      const failure = failureOf(200, body);
      expect(failure.message).toContain(text);
      expect(failure.isTransient).toBe(false);
    },
  );
});

describe("an answer with status 401 or 403", () => {
  test("refuses with its message, on one line and of bounded length", () => {
    const refusal = (message: unknown) => readVerdict(403, JSON.stringify({ message }));
    expect(refusal("account closed")).toEqual({ accepted: false, message: "account closed" });
    expect(refusal("a\r\nb")).toEqual({ accepted: false, message: "a b" });
    expect(refusal("x".repeat(999))).toEqual({ accepted: false, message: "x".repeat(200) });
    expect(refusal(7)).toEqual({ accepted: false, message: undefined });
  });

  test("refuses whatever its body is", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(401, 403), (body, status) => {
        expect(readVerdict(status, body).accepted).toBe(false);
      }),
    );
  });
});

test("any other status is no verdict, and asking again may help after a fault of the server", () => {
  for (const status of [204, 301, 302, 400, 404, 429]) {
    expect(failureOf(status, "{}").isTransient).toBe(false);
  }
  for (const status of [500, 502, 503]) expect(failureOf(status, "{}").isTransient).toBe(true);
});

test("every answer is a verdict or a failure", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 599 }),
      fc.oneof(fc.string(), fc.json()),
      (status, body) => {
        try {
          readVerdict(status, body);
        } catch (error) {
          expect(error).toBeInstanceOf(WebhookFailure);
        }
      },
    ),
  );
});
