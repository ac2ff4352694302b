import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { StarlingError } from "@starling/protocol/errors.ts";
import fc from "fast-check";
import { FakeClock } from "../testing/fake-clock.ts";
import { FakeHttpClient } from "../testing/fake-http-client.ts";
import { RecordingLog } from "../testing/recording-log.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import {
  longestQuestionMs,
  Webhook,
  type WebhookOptions,
  type WebhookQuestion,
} from "./webhook.ts";

const question: WebhookQuestion = {
  app: "shop",
  key: "k1",
  id: "ada",
  origin: "https://example.org",
  address: "192.0.2.1",
  transport: "signalling",
};

function setUp(options: Partial<WebhookOptions> = {}) {
  const clock = new FakeClock();
  const http = new FakeHttpClient();
  const log = new RecordingLog();
  const webhook = new Webhook({
    url: "https://hook.example/auth",
    secret: undefined,
    timeoutMs: 2000,
    retries: 1,
    cacheMs: 0,
    concurrency: 100,
    breakerFailures: 5,
    breakerPauseMs: 10_000,
    http,
    clock,
    random: new SeededRandom(),
    log,
    ...options,
  });
  /** What became of a question: the error's name, or the user. */
  const ask = (change: Partial<WebhookQuestion> = {}) =>
    webhook.ask({ ...question, ...change }).then(
      ({ user }) => user ?? "accepted",
      (error: unknown) => (error instanceof StarlingError ? error.errorName : String(error)),
    );
  return { clock, http, log, webhook, ask };
}

/** Lets everything run that waits for promises alone. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Moves the clock until a promise settles; answers its value and how long it took. */
async function timed<T>(clock: FakeClock, promise: Promise<T>, limitMs: number, stepMs = 50) {
  const start = clock.now();
  let isSettled = false;
  const done = () => {
    isSettled = true;
  };
  promise.then(done, done);
  for (await turn(); !isSettled && clock.now() - start < limitMs; await turn()) {
    clock.advance(stepMs);
  }
  if (!isSettled) throw new Error(`not settled within ${limitMs} ms`);
  return { value: await promise, elapsedMs: clock.now() - start };
}

describe("a question", () => {
  test("says what is known of the connection, and when it is asked", async () => {
    const { http, webhook, clock } = setUp();
    http.respond(200, {});
    await webhook.ask({ ...question, token: undefined });
    const [request] = http.requests;
    expect(request?.url).toBe("https://hook.example/auth");
    expect(JSON.parse(request?.body ?? "")).toEqual({ time: clock.now(), ...question });
    expect(request?.options.timeoutMs).toBe(2000);
    expect(request?.options.headers).toEqual({ "content-type": "application/json" });
  });

  test("is signed where there is a secret", async () => {
    const { http, webhook } = setUp({ secret: "ключ-0123456789" });
    http.respond(200, {});
    await webhook.ask({ ...question, id: "Zoë" });
    const [request] = http.requests;
    const mac = createHmac("sha256", "ключ-0123456789")
      .update(request?.body ?? "")
      .digest("hex");
    expect(request?.options.headers?.["x-starling-signature"]).toBe(`sha256=${mac}`);
  });
});

describe("an acceptance", () => {
  test("gives app, user, permissions and the moment at which it ends", async () => {
    const { http, webhook, clock } = setUp();
    const permissions = { publish: ["chat:*"] };
    http.respond(200, { app: "other", user: "ada", permissions, ttlSeconds: 60 });
    const identity = await webhook.ask(question);
    expect(identity).toMatchObject({
      app: "other",
      user: "ada",
      expiresAt: clock.now() + 60_000,
      source: "webhook",
    });
    expect(identity.permissions?.publish.map(({ text }) => text)).toEqual(["chat:*"]);
  });

  test("without an app is for the one that was asked about, else the default one", async () => {
    const { http, webhook } = setUp();
    http.respond(200, {});
    expect(await webhook.ask(question)).toEqual({
      app: "shop",
      user: undefined,
      permissions: undefined,
      expiresAt: undefined,
      source: "webhook",
    });
    expect((await webhook.ask({ ...question, app: undefined })).app).toBe("default");
  });
});

test("a refusal is told with the webhook's own sentence, and is not asked again", async () => {
  const { http, webhook } = setUp({ retries: 3 });
  http.respond(403, { message: "account closed" });
  const error = await webhook.ask(question).catch((e: unknown) => e);
  expect(error).toMatchObject({ errorName: "webhook_refused", message: "account closed" });
  expect(http.requests).toHaveLength(1);
});

describe("a webhook that gives no verdict", () => {
  test("is asked again where it failed or cannot be reached", async () => {
    for (const fail of [
      () => Promise.reject(new Error("ECONNREFUSED")),
      async () => ({ status: 503, body: "" }),
      () => new Promise<never>(() => {}),
    ]) {
      const { http, clock, ask } = setUp();
      http.answer = () => {
        if (http.requests.length === 1) return fail();
        return Promise.resolve({ status: 200, body: '{"user":"ada"}' });
      };
      expect((await timed(clock, ask(), 10_000)).value).toBe("ada");
      expect(http.requests).toHaveLength(2);
    }
  });

  test("is not asked again where that would not help", async () => {
    for (const [status, body] of [
      [404, "{}"],
      [302, ""],
      [200, "<html>"],
    ] as const) {
      const { http, log, ask } = setUp({ retries: 3 });
      http.respond(status, body);
      expect(await ask()).toBe("webhook_unavailable");
      expect(http.requests).toHaveLength(1);
      expect(log.lines.map(({ level }) => level)).toEqual(["warn"]);
    }
  });

  test("does not hold a question for longer than its time when it never answers", async () => {
    const { http, clock, ask } = setUp({ retries: 0 });
    http.answer = () => new Promise(() => {});
    const { value, elapsedMs } = await timed(clock, ask(), 10_000);
    expect(value).toBe("webhook_unavailable");
    expect(elapsedMs).toBe(2000);
    expect(clock.pendingTimers).toBe(0);
  });

  test("never holds a question beyond time, retries and pauses, whatever it does", async () => {
    const behaviour = fc.oneof(
      fc.constant("never" as const),
      fc.record({
        afterMs: fc.nat(400),
        status: fc.constantFrom(200, 403, 404, 500, 503, undefined),
        body: fc.constantFrom("{}", "", "[", '{"user":"ada"}'),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(behaviour, { minLength: 4, maxLength: 4 }),
        fc.nat(3),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 5 }),
        async (behaviours, retries, timeoutMs, breakerFailures) => {
          const { http, clock, webhook, ask } = setUp({ retries, timeoutMs, breakerFailures });
          http.answer = () => {
            const next = behaviours[(http.requests.length - 1) % behaviours.length] ?? "never";
            if (next === "never") return new Promise(() => {});
            const { afterMs, status, body } = next;
            return new Promise((resolve, reject) => {
              clock.setTimeout(() => {
                if (status === undefined) reject(new Error("reset"));
                else resolve({ status, body });
              }, afterMs);
            });
          };
          const limit = longestQuestionMs({ timeoutMs, retries });
          const { value } = await timed(clock, ask(), limit, 10);
          expect([
            "accepted",
            "ada",
            "webhook_refused",
            "webhook_unavailable",
            "webhook_circuit_open",
          ]).toContain(value);
          expect(http.requests.length).toBeLessThanOrEqual(retries + 1);
          expect(webhook.underWay).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("many questions", () => {
  test("that are the same are asked once", async () => {
    const { http, clock, webhook, ask } = setUp();
    http.answer = () =>
      new Promise((resolve) => {
        clock.setTimeout(() => resolve({ status: 200, body: '{"user":"ada"}' }), 100);
      });
    const answers = Promise.all([ask(), ask(), ask({ id: "bob" })]);
    expect(webhook.underWay).toBe(2);
    clock.advance(100);
    expect(await answers).toEqual(["ada", "ada", "ada"]);
    expect(http.requests).toHaveLength(2);
    expect(webhook.underWay).toBe(0);
  });

  test("beyond the bound are refused at once, and let in again when there is room", async () => {
    const { http, clock, ask } = setUp({ concurrency: 2, retries: 0 });
    http.answer = () => new Promise(() => {});
    const waiting = [ask({ id: "1" }), ask({ id: "2" })];
    expect(await ask({ id: "3" })).toBe("webhook_busy");
    expect(http.requests).toHaveLength(2);
    await timed(clock, Promise.all(waiting), 5000);
    http.respond(200, { user: "ada" });
    expect(await ask({ id: "3" })).toBe("ada");
  });

  test("open the circuit when they fail, and one tries it after the pause", async () => {
    const { http, clock, log, ask } = setUp({ retries: 0, breakerFailures: 3 });
    http.respond(500, "");
    for (const id of ["1", "2", "3"]) expect(await ask({ id })).toBe("webhook_unavailable");
    expect(await ask()).toBe("webhook_circuit_open");
    expect(http.requests).toHaveLength(3);
    clock.advance(10_000);
    http.respond(200, { user: "ada" });
    expect(await ask()).toBe("ada");
    const told = log.lines.filter(({ level }) => level !== "warn").map(({ message }) => message);
    expect(told).toEqual([
      "the authentication webhook fails and is not asked for a while",
      "the authentication webhook answers again",
    ]);
  });

  test("that are refused do not open the circuit", async () => {
    const { http, ask } = setUp({ breakerFailures: 1 });
    http.respond(401, "");
    expect(await ask()).toBe("webhook_refused");
    expect(await ask()).toBe("webhook_refused");
  });
});

describe("a remembered verdict", () => {
  test("holds for its time, a refusal as well as an acceptance", async () => {
    const { http, clock, ask } = setUp({ cacheMs: 1000 });
    http.respond(200, { user: "ada" });
    await ask();
    http.respond(403, "");
    expect(await ask()).toBe("ada");
    clock.advance(1000);
    expect(await ask()).toBe("webhook_refused");
    http.respond(200, { user: "ada" });
    expect(await ask()).toBe("webhook_refused");
    clock.advance(1000);
    expect(await ask()).toBe("ada");
  });

  test("holds for exactly what was asked", async () => {
    const { http, ask } = setUp({ cacheMs: 1000 });
    http.respond(200, {});
    await ask();
    const others: readonly Partial<WebhookQuestion>[] = [
      { app: "default" },
      { key: "k2" },
      { id: "bob" },
      { token: "t" },
      { origin: undefined },
      { address: "192.0.2.2" },
      { transport: "sse" },
      { key: "ada", id: "k1" },
    ];
    for (const other of others) await ask(other);
    expect(http.requests).toHaveLength(1 + others.length);
  });

  test("does not outlive the acceptance", async () => {
    const { http, clock, ask } = setUp({ cacheMs: 10_000 });
    http.respond(200, { ttlSeconds: 2 });
    await ask();
    clock.advance(1999);
    await ask();
    expect(http.requests).toHaveLength(1);
    clock.advance(1);
    await ask();
    expect(http.requests).toHaveLength(2);
  });

  test("is none where there was no verdict", async () => {
    const { http, ask } = setUp({ cacheMs: 10_000, retries: 0 });
    http.respond(500, "");
    expect(await ask()).toBe("webhook_unavailable");
    http.respond(200, { user: "ada" });
    expect(await ask()).toBe("ada");
  });
});
