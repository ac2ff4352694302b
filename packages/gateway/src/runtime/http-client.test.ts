import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { RemoteKeySet } from "@starling/core/auth/jwks.ts";
import { JwtVerifier } from "@starling/core/auth/jwt.ts";
import { Webhook } from "@starling/core/auth/webhook.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { bunHttpClient } from "./http-client.ts";
import { systemClock, systemRandom } from "./system.ts";

const SECRET = "a secret of both sides";
let server: Bun.Server<undefined>;
let keys: JWK[] = [];

/** A body whose end never comes. */
const endless = () =>
  new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(1024).fill(97));
    },
  });

const silent = () => new ReadableStream<Uint8Array>({ start() {} });

beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 30,
    routes: {
      "/echo": async (request) =>
        Response.json({
          method: request.method,
          body: await request.text(),
          type: request.headers.get("content-type"),
          agent: request.headers.get("user-agent"),
        }),
      "/moved": Response.redirect("/echo", 302),
      "/zipped": () =>
        new Response(Bun.gzipSync(new Uint8Array(1_000_000)), {
          headers: { "content-encoding": "gzip" },
        }),
      "/endless": () => new Response(endless()),
      "/silent": () => new Response(silent()),
      "/busy": () => new Response(null, { status: 429, headers: { "retry-after": "7" } }),
      "/never": () => new Promise<Response>(() => {}),
      "/jwks": () => Response.json({ keys }),
      "/hook": async (request) => {
        const body = await request.text();
        const mac = createHmac("sha256", SECRET).update(body).digest("hex");
        if (request.headers.get("x-starling-signature") !== `sha256=${mac}`) {
          return new Response(null, { status: 500 });
        }
        const { id } = JSON.parse(body) as { id: string };
        if (id === "mallory") return Response.json({ message: "not you" }, { status: 403 });
        return Response.json({ user: id, permissions: { subscribe: [`inbox:${id}`] } });
      },
    },
  });
});
afterAll(() => server.stop(true));

const at = (path: string) => new URL(path, server.url).href;
const options = { timeoutMs: 5000, maxBodyBytes: 65_536 };

describe("a request", () => {
  test("brings its body and headers, and the answer with its status", async () => {
    const { status, body } = await bunHttpClient.post(at("/echo"), '{"ä":1}', {
      ...options,
      headers: { "content-type": "application/json" },
    });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      method: "POST",
      body: '{"ä":1}',
      type: "application/json",
      agent: expect.stringMatching(/^starling\/\d/),
    });
  });

  test("does not follow a redirect", async () => {
    expect((await bunHttpClient.get(at("/moved"), options)).status).toBe(302);
  });

  test("is rejected when the answer is larger than is wanted, also when it never ends", async () => {
    await expect(bunHttpClient.get(at("/endless"), options)).rejects.toThrow(
      "more than 65536 bytes",
    );
    const small = { ...options, maxBodyBytes: 10 };
    await expect(bunHttpClient.get(at("/echo"), small)).rejects.toThrow("more than 10 bytes");
  });

  test("does not unpack an answer that was packed although nobody asked for it", async () => {
    const { body } = await bunHttpClient.get(at("/zipped"), options);
    expect(body.length).toBeLessThan(65_536);
  });

  test("whose answer is not wanted has only its status, however long the body is", async () => {
    for (const path of ["/endless", "/zipped", "/echo"]) {
      const answer = await bunHttpClient.post(at(path), "{}", {
        ...options,
        maxBodyBytes: "unread",
      });
      expect([answer.status, answer.body]).toEqual([200, ""]);
    }
  });

  test("tells when the server wants it again", async () => {
    const answer = await bunHttpClient.post(at("/busy"), "{}", options);
    expect(answer).toMatchObject({ status: 429, retryAfter: "7" });
    expect((await bunHttpClient.get(at("/echo"), options)).retryAfter).toBeUndefined();
  });

  test("is rejected when the answer does not come in time, or stops half way", async () => {
    const short = { ...options, timeoutMs: 50 };
    for (const path of ["/never", "/silent"]) {
      await expect(bunHttpClient.get(at(path), short)).rejects.toThrow(/timed out|timeout/i);
    }
  });

  test("is rejected when nobody listens", async () => {
    const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const { url } = gone;
    await gone.stop(true);
    await expect(bunHttpClient.get(url.href, options)).rejects.toThrow();
  });
});

describe("a webhook on this machine", () => {
  const webhookAt = (path: string, timeoutMs = 5000) =>
    new Webhook({
      url: at(path),
      secret: SECRET,
      timeoutMs,
      retries: 1,
      cacheMs: 0,
      concurrency: 10,
      breakerFailures: 5,
      breakerPauseMs: 1000,
      http: bunHttpClient,
      clock: systemClock,
      random: systemRandom,
      log: new RecordingLog(),
    });
  const question = { address: "127.0.0.1", transport: "signalling" } as const;

  test("that checks the signature lets in and refuses", async () => {
    const webhook = webhookAt("/hook");
    const { user, permissions } = await webhook.ask({ ...question, id: "ada" });
    expect([user, permissions?.subscribe[0]?.text]).toEqual(["ada", "inbox:ada"]);
    const refusal = await webhook.ask({ ...question, id: "mallory" }).catch((e: unknown) => e);
    expect(refusal).toMatchObject({ errorName: "webhook_refused", message: "not you" });
  });

  test("that never answers is given up", async () => {
    const error = await webhookAt("/never", 30)
      .ask(question)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StarlingError);
    expect(error).toMatchObject({ errorName: "webhook_unavailable" });
  });
});

test("a token is checked with a key that is fetched", async () => {
  const { privateKey, publicKey } = await generateKeyPair("EdDSA", { extractable: true });
  keys = [{ ...(await exportJWK(publicKey)), kid: "1" }];
  const keySet = new RemoteKeySet({
    url: at("/jwks"),
    maxAgeMs: 60_000,
    cooldownMs: 1000,
    http: bunHttpClient,
    clock: systemClock,
    log: new RecordingLog(),
  });
  const verifier = await JwtVerifier.create({ keySet, leewaySeconds: 5, clock: systemClock });
  const token = await new SignJWT({ sub: "ada" })
    .setProtectedHeader({ alg: "EdDSA", kid: "1" })
    .setExpirationTime(Math.floor(systemClock.now() / 1000) + 60)
    .sign(privateKey);
  expect((await verifier.verify(token)).user).toBe("ada");
});
