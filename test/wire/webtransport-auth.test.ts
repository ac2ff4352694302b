/**
 * What the quic worker learns of the servers that it asks: permissions count, and questions are signed.
 * Who is refused, and how a page is told, stands in test/browser/webtransport-auth.test.ts.
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac } from "node:crypto";
import { ConfigFile } from "../support/config-file.ts";
import { DenoPage } from "../support/deno-page.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { issuerKey, jwkOf, signToken } from "../support/jwt.ts";
import { certificateHash, ServerCertificate } from "../support/server-certificate.ts";
import { WebTransportPeer } from "../support/webtransport-peer.ts";

setDefaultTimeout(60_000);

const permissions = { subscribe: ["chat:*"] };

const page = new DenoPage();
const peer = new WebTransportPeer(page);
const config = new ConfigFile({ apps: { default: { namespaces: { chat: {}, other: {} } } } });
afterAll(() => {
  page[Symbol.dispose]();
  config[Symbol.dispose]();
});

function open({ process }: GatewayFixture, query: Record<string, string>): Promise<unknown> {
  const url = `${process.subscriberUrl}/v1?${new URLSearchParams({ v: "2", ...query })}`;
  return peer.open(url, certificateHash(process.ca));
}

/** Connects, and expects that the client may subscribe to that user's channel and `chat:x` alone. */
async function expectUser(
  gateway: GatewayFixture,
  query: Record<string, string>,
  user: string,
): Promise<void> {
  await open(gateway, query);
  await peer.openStream();
  for (const [id, c, op] of [
    [1, user, "ack"],
    [2, "chat:x", "ack"],
    [3, "other:x", "error"],
  ] as const) {
    await peer.send({ t: "control", op: "subscribe", c, id });
    expect((await peer.nextOf(op)).signal.id).toBe(id);
  }
  await peer.close();
}

/** A gateway with WebTransport, and what is asked when it starts. */
function gatewayWith(environment: () => Record<string, string>): GatewayFixture {
  const settings = { WEBTRANSPORT: "1", EVENT_ID_REGEX_VALIDATION_PATTERN: "^[a-z-]+$" };
  const gateway = new GatewayFixture(() => ({
    CONNECT_RATE_PER_USER: "0",
    CONFIG_FILE: config.path,
    ...settings,
    ...environment(),
  }));
  beforeAll(() => gateway.process.nextLine("WebTransport listening"));
  return gateway;
}

describe("a token", () => {
  const key = issuerKey("ES256");
  const certificate = new ServerCertificate();
  const issuer = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: Bun.file(certificate.certFile), key: Bun.file(certificate.keyFile) },
    fetch: () => Response.json({ keys: [jwkOf(key)] }),
  });
  afterAll(async () => {
    await issuer.stop(true);
    certificate[Symbol.dispose]();
  });
  const gateway = gatewayWith(() => ({
    JWT_JWKS_URL: `https://127.0.0.1:${issuer.port}/keys`,
    NODE_EXTRA_CA_CERTS: certificate.certFile,
  }));

  test("is known by keys of a server that only a private authority vouches for", async () => {
    await expectUser(
      gateway,
      { id: "x", token: signToken(key, { sub: "ada", starling: permissions }) },
      "ada",
    );
  });
});

describe("the webhook", () => {
  const signing = "a secret of the webhook";
  const questions: object[] = [];
  const hook = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const raw = await request.text();
      const mac = createHmac("sha256", signing).update(raw).digest("hex");
      expect(request.headers.get("x-starling-signature")).toBe(`sha256=${mac}`);
      const { id, transport, address } = JSON.parse(raw);
      questions.push({ id, transport, address });
      return Response.json({ user: "ada", permissions });
    },
  });
  afterAll(() => hook.stop(true));
  const gateway = gatewayWith(() => ({
    AUTH_WEBHOOK_URL: `http://127.0.0.1:${hook.port}/hook`,
    AUTH_WEBHOOK_SECRET: signing,
    AUTH_WEBHOOK_RETRIES: "0",
  }));

  test("is asked, with a signature, and its word counts", async () => {
    await expectUser(gateway, { id: "someone", publickey: "k" }, "ada");
    expect(questions).toEqual([{ id: "someone", transport: "signalling", address: "127.0.0.1" }]);
  });
});
