import { beforeAll, describe, expect, test } from "bun:test";
import { StarlingError } from "@starling/protocol/errors.ts";
import { errors, exportJWK, generateKeyPair, type JWK } from "jose";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeHttpClient } from "../testing/fake-http-client.ts";
import { RecordingLog } from "../testing/recording-log.ts";
import { RemoteKeySet } from "./jwks.ts";

const HOUR = 3_600_000;
let old: JWK;
let fresh: JWK;
beforeAll(async () => {
  const make = async (kid: string) => {
    const { publicKey } = await generateKeyPair("ES256", { extractable: true });
    return { ...(await exportJWK(publicKey)), kid };
  };
  old = await make("old");
  fresh = await make("new");
});

function setUp() {
  const clock = new FakeClock();
  const http = new FakeHttpClient();
  const log = new RecordingLog();
  const keySet = new RemoteKeySet({
    url: "https://id.example/jwks",
    maxAgeMs: 600_000,
    cooldownMs: 30_000,
    http,
    clock,
    log,
  });
  /** Whether the key is there, or why not. */
  const find = (kid: string) =>
    keySet.key({ alg: "ES256", kid }, { payload: "", signature: "" }).then(
      () => "found",
      (error: unknown) => {
        if (error instanceof errors.JWKSNoMatchingKey) return "no such key";
        return error instanceof StarlingError ? error.errorName : String(error);
      },
    );
  return { clock, http, log, find };
}

describe("keys", () => {
  test("are fetched when they are needed, once, and kept for their age", async () => {
    const { clock, http, find } = setUp();
    http.respond(200, { keys: [old] });
    expect(http.requests).toEqual([]);
    expect(await Promise.all([find("old"), find("old")])).toEqual(["found", "found"]);
    clock.advance(599_999);
    await find("old");
    expect(http.requests.map(({ url }) => url)).toEqual(["https://id.example/jwks"]);
    clock.advance(1);
    http.respond(200, { keys: [fresh] });
    expect(await find("old")).toBe("no such key");
    expect(http.requests).toHaveLength(2);
  });

  test("are fetched again for an unknown id, but not before the cooldown is over", async () => {
    const { clock, http, find } = setUp();
    http.respond(200, { keys: [old] });
    await find("old");
    http.respond(200, { keys: [old, fresh] });
    for (let count = 0; count < 100; count++) expect(await find("new")).toBe("no such key");
    expect(http.requests).toHaveLength(1);
    clock.advance(30_000);
    expect(await Promise.all([find("new"), find("new"), find("old")])).toEqual([
      "found",
      "found",
      "found",
    ]);
    expect(http.requests).toHaveLength(2);
  });

  test("that cannot be fetched anew stay good for a day", async () => {
    const { clock, http, log, find } = setUp();
    http.respond(200, { keys: [old] });
    await find("old");
    http.respond(503, "");
    clock.advance(600_000);
    expect(await find("old")).toBe("found");
    expect(await find("old")).toBe("found");
    expect(http.requests).toHaveLength(2);
    expect(log.lines).toHaveLength(1);
    clock.advance(24 * HOUR - 1);
    expect(await find("old")).toBe("found");
    clock.advance(1);
    expect(await find("old")).toBe("jwks_unavailable");
  });

  test("that were never there are asked for again soon", async () => {
    const { clock, http, find } = setUp();
    expect(await find("old")).toBe("jwks_unavailable");
    http.respond(200, { keys: [old] });
    expect(await find("old")).toBe("jwks_unavailable");
    expect(http.requests).toHaveLength(1);
    clock.advance(2000);
    expect(await find("old")).toBe("found");
  });

  test("are not waited for beyond five seconds", async () => {
    const { clock, http, find } = setUp();
    http.answer = () => new Promise(() => {});
    const found = find("old");
    clock.advance(5000);
    expect(await found).toBe("jwks_unavailable");
    expect(clock.pendingTimers).toBe(0);
  });

  test("are fetched although the clock was set back", async () => {
    const { clock, http, find } = setUp();
    http.respond(200, { keys: [old] });
    await find("old");
    clock.jumpTo(clock.now() - 48 * HOUR);
    http.respond(200, { keys: [fresh] });
    expect(await find("new")).toBe("found");
  });
});

test("what is no set of keys is not taken for one, and the earlier keys stay", async () => {
  const { clock, http, log, find } = setUp();
  http.respond(200, { keys: [old] });
  await find("old");
  const bodies = ["", "[]", "{}", '{"keys":{}}', '{"keys":[1]}', { keys: Array(101).fill(old) }];
  for (const body of bodies) {
    http.respond(200, body);
    clock.advance(600_000);
    expect(await find("old")).toBe("found");
  }
  expect(log.lines).toHaveLength(bodies.length);
});
