/** Who is let in over WebTransport: the quic worker asks the issuer and the webhook itself. */

import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Page } from "playwright-core";
import { BrowserPages } from "../support/browser-pages.ts";
import { SECRET } from "../support/credentials.ts";
import type { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { IssuedCertificate } from "../support/issued-certificate.ts";
import { issuerKey, jwkOf, signToken, signWithSecret } from "../support/jwt.ts";
import { ServerCertificate } from "../support/server-certificate.ts";
import { certificateHash, startQuicNode } from "../support/webtransport-node.ts";
import { WebTransportPeer } from "../support/webtransport-peer.ts";
import { webTransportStatus } from "../support/webtransport-status.ts";

setDefaultTimeout(60_000);

const certificate = new ServerCertificate();
let pages: BrowserPages;

beforeAll(async () => {
  pages = await BrowserPages.start("./webtransport-page.ts", certificate.certFile);
});
afterEach(() => pages.closeAll());
afterAll(async () => {
  await pages?.stop();
  certificate[Symbol.dispose]();
});

/** A node that serves WebTransport, for the tests of one `describe`. */
class Served {
  #node: NodeUnderTest | undefined;
  #hash = "";

  constructor(environment: () => Record<string, string>) {
    beforeAll(async () => {
      this.#node = await startQuicNode(0, environment());
      this.#hash = await certificateHash(this.#node.process);
    });
    afterAll(async () => {
      expect(await this.#node?.stop()).toBe(0);
    });
  }

  /** A page with a session that was accepted, if only to be told why not. */
  async opened(query: Record<string, string>, page?: Page): Promise<WebTransportPeer> {
    const peer = new WebTransportPeer(page ?? (await pages.open()));
    await peer.open(this.#url(query), this.#hash);
    return peer;
  }

  /** Whoever brings this is let in, and is that user. */
  async expectKnown(
    query: Record<string, string>,
    user: string,
    page?: Page,
  ): Promise<WebTransportPeer> {
    const peer = await this.opened(query, page);
    await peer.openStream();
    await peer.send({ t: "control", op: "subscribe", c: user, id: 1 });
    expect((await peer.nextOf("ack")).signal.id).toBe(1);
    return peer;
  }

  /** Whoever brings this is not let in, and a page learns why where it asks. */
  async expectRefused(
    query: Record<string, string>,
    status: number,
    closeCode: number,
    reason: string,
  ): Promise<void> {
    expect(await webTransportStatus(this.#url(query), this.#hash)).toBe(status);
    const asking = await this.opened({ ...query, why: "1" });
    expect(await asking.ended()).toEqual({ closeCode, reason });
  }

  #url(query: Record<string, string>): string {
    return `${this.#node?.process.subscriberUrl}/v1?${new URLSearchParams({ v: "2", ...query })}`;
  }
}

describe("a token", () => {
  const served = new Served(() => ({ JWT_SECRET: SECRET, JWT_LEEWAY: "0" }));

  test("that is good lets in whom it names", async () => {
    const token = signWithSecret(SECRET, { sub: "ada" });
    await served.expectKnown({ id: "x", token }, "ada");
  });

  test.each([
    [
      ...(["of another secret", 401, 306, "signature verification failed"] as const),
      () => signWithSecret(`${SECRET}!`, { sub: "ada" }),
    ],
    [
      ...(["that has expired", 401, 305, "the token has expired; get a new one"] as const),
      () => signWithSecret(SECRET, { exp: 1_000_000_000 }),
    ],
  ] as const)("%s does not, with %i and %i", async (_which, status, code, reason, token) => {
    await served.expectRefused({ id: "x", token: token() }, status, code, reason);
  });

  test("that is missing does not", async () => {
    await served.expectRefused({ id: "x" }, 401, 307, "publickey must not be empty");
  });

  test("that expires ends the session, unless a fresh one came", async () => {
    // A browser may need seconds for a page.
    const [one, other] = [await pages.open(), await pages.open()];
    const now = Math.floor(Date.now() / 1000);
    const token = signWithSecret(SECRET, { sub: "ada", exp: now + 8 });
    const brief = await served.expectKnown({ id: "x", token }, "ada", one);
    const renewed = await served.expectKnown({ id: "y", token }, "ada", other);
    const tk = signWithSecret(SECRET, { sub: "ada", exp: now + 60 });
    await renewed.send({ t: "control", op: "auth", tk, id: 3 });
    await renewed.next("the answer", ({ op, id }) => op === "ack" && id === 3);
    expect(await brief.ended()).toEqual({
      closeCode: 4004,
      reason: "token expired; reconnect with a new one",
    });
    await renewed.send({ t: "control", op: "ping", id: 4 });
    expect((await renewed.nextOf("pong")).signal.id).toBe(4);
  });
});

describe("a token by a key set", () => {
  const key = issuerKey("ES256");
  const ofIssuer = new IssuedCertificate();
  let isBroken = true;
  const issuer = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: Bun.file(ofIssuer.certFile), key: Bun.file(ofIssuer.keyFile) },
    fetch: () =>
      isBroken ? new Response("broken", { status: 500 }) : Response.json({ keys: [jwkOf(key)] }),
  });
  afterAll(async () => {
    await issuer.stop(true);
    ofIssuer[Symbol.dispose]();
  });
  const served = new Served(() => ({
    JWT_JWKS_URL: `https://127.0.0.1:${issuer.port}/keys`,
    JWT_JWKS_COOLDOWN: "1000",
    NODE_EXTRA_CA_CERTS: ofIssuer.authorityFile,
  }));

  test("is taken once the keys can be fetched", async () => {
    const token = signToken(key, { sub: "ada" });
    const asking = await served.opened({ id: "x", token, why: "1" });
    expect(await asking.ended()).toMatchObject({ closeCode: 315 });
    isBroken = false;
    await Bun.sleep(1_100);
    await served.expectKnown({ id: "x", token }, "ada");
    const forged = signToken(issuerKey("ES256"), { sub: "ada" });
    await served.expectRefused(
      { id: "x", token: forged },
      401,
      306,
      "signature verification failed",
    );
  });
});

describe("the webhook", () => {
  const questions: { readonly id?: string }[] = [];
  const hook = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 60,
    async fetch(request) {
      const body = (await request.json()) as { readonly id?: string };
      questions.push(body);
      switch (body.id) {
        case "refused":
          return Response.json({ message: "not you" }, { status: 403 });
        case "broken":
          return new Response("broken", { status: 500 });
        case "hanging":
          return new Promise<Response>(() => {});
        case "redirected":
          return Response.redirect("/elsewhere");
        case "huge":
          return Response.json({ user: "x".repeat(1_000_000) });
        case "brief":
          return Response.json({ user: "brief", ttlSeconds: 6 });
        default:
          return Response.json({ user: "ada" });
      }
    },
  });
  afterAll(() => hook.stop(true));
  afterEach(() => questions.splice(0));
  const settings = {
    AUTH_WEBHOOK_SECRET: "a secret of the webhook",
    // Longer than a busy machine may keep an answer waiting.
    AUTH_WEBHOOK_TIMEOUT: "1000",
    AUTH_WEBHOOK_RETRIES: "0",
    AUTH_WEBHOOK_BREAKER_FAILURES: "1000",
  };
  const served = new Served(() => ({
    ...settings,
    AUTH_WEBHOOK_URL: `http://127.0.0.1:${hook.port}/hook`,
  }));
  const unavailable = "the authentication webhook gave no usable answer; retry later";

  test("lets in, and is told who asks from where", async () => {
    await served.expectKnown({ id: "someone", publickey: "k", token: "opaque" }, "ada");
    expect(questions).toEqual([
      {
        ...{ time: expect.any(Number), address: "127.0.0.1", transport: "signalling" },
        ...{ key: "k", id: "someone", token: "opaque", origin: pages.origin },
      } as object,
    ]);
  });

  test.each([
    ["refused", 403, 311, "not you"],
    ["broken", 503, 312, unavailable],
    ["hanging", 503, 312, unavailable],
    ["redirected", 503, 312, unavailable],
    ["huge", 503, 312, unavailable],
  ] as const)("that answers %s keeps out with %i and %i", async (id, status, code, reason) => {
    await served.expectRefused({ id, publickey: "k" }, status, code, reason);
    expect(questions.length).toBe(2);
  });

  test("may let in for a while", async () => {
    const peer = await served.expectKnown({ id: "brief", publickey: "k" }, "brief");
    expect(await peer.ended()).toMatchObject({ closeCode: 4004 });
  });

  describe("that is down", () => {
    const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const down = new Served(() => ({
      ...settings,
      AUTH_WEBHOOK_URL: `http://localhost:${gone.port}/hook`,
    }));
    beforeAll(() => gone.stop(true));

    test("keeps everybody out", async () => {
      await down.expectRefused({ id: "someone", publickey: "k" }, 503, 312, unavailable);
    });
  });
});
