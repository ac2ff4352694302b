/** Who is let in over WebTransport: the quic worker asks the same servers as the others do. */

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

async function expectRefused(gateway: GatewayFixture, query: Record<string, string>) {
  expect(await open(gateway, query).catch(String)).toContain("WebTransportError");
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

  test("that is forged, or missing, is refused", async () => {
    const forged = { ...issuerKey("ES256"), id: key.id };
    await expectRefused(gateway, { id: "x", token: signToken(forged, { sub: "ada" }) });
    await expectRefused(gateway, { id: "x" });
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
      if (id === "refused") return Response.json({ message: "not you" }, { status: 403 });
      if (id === "redirected") return Response.redirect("/elsewhere");
      if (id === "huge") return Response.json({ user: "x".repeat(1_000_000) });
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

  test.each(["refused", "redirected", "huge"])("that answers %s lets nobody in", async (id) => {
    await expectRefused(gateway, { id, publickey: "k" });
  });
});
