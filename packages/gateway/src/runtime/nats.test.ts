import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { kept, read } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { delivery, join } from "@starling/core/broker/conformance/worker.ts";
import type { NatsConfig } from "@starling/core/broker/nats/config.ts";
import { NatsServer } from "../../../../test/support/nats-server.ts";
import { ServerCertificate } from "../../../../test/support/server-certificate.ts";
import { connectToNats } from "./nats.ts";
import { MeshNode } from "./testing/mesh-fixture.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(lines: string): Promise<NatsServer> {
  const server = await NatsServer.start(lines);
  closing.push(() => server.stop());
  return server;
}

function configOf(server: NatsServer, more: Partial<NatsConfig> = {}): NatsConfig {
  const streams = { replicas: 1, storage: "file", idempotencyWindowMs: 60_000 } as const;
  return { servers: [`127.0.0.1:${server.port}`], prefix: "starling", streams, ...more };
}

/** What the documentation says that a node has to be allowed. */
const PERMISSIONS = `{
  publish: ["starling.pub.>", "starling.kept.>", "$JS.API.STREAM.INFO.>", "$JS.API.STREAM.CREATE.>",
            "$JS.API.STREAM.UPDATE.>", "$JS.API.CONSUMER.>"]
  subscribe: ["starling.pub.>", "starling.live.>", "_INBOX.>"]
}`;

test("a user with no more permissions than documented publishes, hears, and reads what is kept", async () => {
  const users = `{ users: [{ user: node, password: secret, permissions: ${PERMISSIONS} }] }`;
  const server = await start(`authorization: ${users}`);
  const config = configOf(server, { user: "node", password: "secret" });
  const place = { namespace: "", size: 9, ttlMs: 60_000 };
  const node = () => {
    const made = new MeshNode({
      ...{ server, prefix: "starling", settings },
      placeOf: (_app, channel) => (channel === "kept" ? place : undefined),
      connect: () => connectToNats(config, "test"),
    });
    closing.push(() => made.close());
    return made;
  };
  const [one, two] = [node(), node()];
  const [first, second] = [await join(one), await join(two)];
  for (const channel of ["plain", "kept"]) await second.broker.interest("default", channel, 1);
  await first.broker.publish(delivery("plain", "1"));
  await first.broker.publish(kept("kept", "2"));
  await one.settle();
  await two.settle();
  expect(second.take()).toEqual(["1", "2"]);
  const { entries } = await read(two, second, "kept");
  expect(entries.map(({ content }) => content.data)).toEqual(["2"]);
  expect([...one.log.lines, ...two.log.lines].filter(({ level }) => level === "error")).toEqual([]);
});

test("who is not a user, or has another token, is refused", async () => {
  const server = await start('authorization: { token: "right" }');
  const connection = await connectToNats(configOf(server, { token: "right" }), "test");
  closing.push(() => connection.close());
  await connection.flush();
  const refused = await connectToNats(configOf(server, { token: "wrong" }), "test").catch(String);
  expect(refused).toMatch(/authorization/i);
});

test("TLS to NATS trusts the authority that is configured, and no other", async () => {
  const [certificate, other] = [new ServerCertificate(), new ServerCertificate()];
  closing.push(
    () => certificate[Symbol.dispose](),
    () => other[Symbol.dispose](),
  );
  const { certFile, keyFile } = certificate;
  const server = await start(`tls: { cert_file: "${certFile}", key_file: "${keyFile}" }`);
  const trusting = (file: string) =>
    connectToNats(configOf(server, { tls: { ca: readFileSync(file, "utf8") } }), "test");
  const connection = await trusting(certFile);
  closing.push(() => connection.close());
  await connection.flush();
  expect(connection.info?.tls_required).toBe(true);
  expect(await trusting(other.certFile).then(() => "connected", String)).not.toBe("connected");
});
