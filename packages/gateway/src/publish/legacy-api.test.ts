import { describe, expect, test } from "bun:test";
import { publisherFixture, UUID } from "./testing/publisher-fixture.ts";

describe("monitoring", () => {
  for (const path of ["/", "/status"]) {
    test(`GET ${path} answers OK`, async () => {
      const answer = await publisherFixture().call(path);
      expect([answer.status, answer.text]).toEqual([200, "OK"]);
      expect(answer.headers.get("content-type")).toStartWith("text/plain");
    });
  }
});

for (const [path, member, other] of [
  ["/", "uuid", "target_id"],
  ["/publish", "target_id", "uuid"],
] as const) {
  describe(`POST ${path}`, () => {
    test("the id is channel and event, the rest is the payload, byte for byte", async () => {
      const { hub, call } = publisherFixture();
      const body = `{ "a" : 1.0,"${member}":"${UUID}", "${other}":"kept","\\u00e9": [ null ] }`;
      const answer = await call(path, { body });
      expect([answer.status, answer.text]).toEqual([200, "OK"]);
      expect(hub.published).toEqual([
        {
          app: "default",
          channel: UUID,
          event: UUID,
          data: `{ "a" : 1.0, "${other}":"kept","\\u00e9": [ null ] }`,
        },
      ]);
    });

    test("nothing but the id makes an empty payload", async () => {
      const { hub, call } = publisherFixture();
      await call(path, { body: JSON.stringify({ [member]: UUID }) });
      expect(hub.published).toMatchObject([{ data: "{}" }]);
    });

    test("of a repeated id the last counts, and none is in the payload", async () => {
      const { hub, call } = publisherFixture();
      await call(path, { body: `{"${member}":"x","a":1,"${member}":"${UUID}"}` });
      expect(hub.published).toMatchObject([{ channel: UUID, data: '{"a":1}' }]);
    });

    const faults = [
      "{}",
      "",
      "[]",
      "null",
      '"x"',
      "{",
      `{"${other}":"${UUID}"}`,
      `{"${member}":"${UUID}x"}`,
      `{"${member}":""}`,
      `{"${member}":null}`,
      `{"${member}":["${UUID}"]}`,
      `{"${member}":"${UUID}",}`,
    ];
    for (const body of faults) {
      test(`${body === "" ? "an empty body" : body} is answered 400 BAD REQUEST`, async () => {
        const { hub, call } = publisherFixture();
        const answer = await call(path, { method: "POST", body });
        expect([answer.status, answer.text]).toEqual([400, "BAD REQUEST"]);
        expect(hub.published).toEqual([]);
      });
    }

    test("no API key is asked for", async () => {
      const { hub, call } = publisherFixture({ apiKeys: ["a secret key of the native API"] });
      await call(path, { body: JSON.stringify({ [member]: UUID, a: 1 }) });
      expect(hub.published).toHaveLength(1);
    });

    test("a foreign address is answered 403 Forbidden", async () => {
      const { hub, call } = publisherFixture();
      const body = JSON.stringify({ [member]: UUID });
      const answer = await call(path, { body, from: "192.0.2.1" });
      expect([answer.status, answer.text]).toEqual([403, "Forbidden"]);
      expect(hub.published).toEqual([]);
    });

    test("an unknown fault is answered 500 without a stack trace, and logged with it", async () => {
      const { hub, call, log } = publisherFixture();
      hub.fault = new Error("inner secret");
      const answer = await call(path, { body: JSON.stringify({ [member]: UUID }) });
      expect(answer.status).toBe(500);
      expect(JSON.parse(answer.text)).toEqual({
        error: { code: 900, name: "internal", message: "internal error" },
      });
      expect(log.lines).toContainEqual(["error", { error: hub.fault }, expect.any(String)]);
    });
  });
}

test("the configured pattern decides what an id is", async () => {
  const { hub, call } = publisherFixture({ eventIdPattern: /^[a-z]+$/ });
  expect((await call("/publish", { body: '{"target_id":"room"}' })).status).toBe(200);
  expect((await call("/publish", { body: `{"target_id":"${UUID}"}` })).status).toBe(400);
  expect((await call("/publish", { body: `{"target_id":"${"a".repeat(256)}"}` })).status).toBe(400);
  expect((await call("/publish", { body: '{"target_id":"connect"}' })).status).toBe(400);
  expect(hub.published).toMatchObject([{ channel: "room", event: "room" }]);
});
