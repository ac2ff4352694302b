import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { nkeys } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { kept, read } from "@starling/core/broker/conformance/kept.ts";
import { settings } from "@starling/core/broker/conformance/settings.ts";
import { delivery, join } from "@starling/core/broker/conformance/worker.ts";
import { connectionOptions, type NatsConfig } from "@starling/core/broker/nats/config.ts";
import { MeshLink } from "@starling/core/broker/nats/link.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { ClientAuthority } from "../../../../test/support/client-certificates.ts";
import { NatsServer } from "../../../../test/support/nats-server.ts";
import { ServerCertificate } from "../../../../test/support/server-certificate.ts";
import { connectToNats } from "./nats.ts";
import { afterTurn, systemClock } from "./system.ts";
import { BansNode, banOf } from "./testing/bans-fixture.ts";
import { closedAfterEach } from "./testing/closing.ts";
import { MeshNode } from "./testing/mesh-fixture.ts";
import { NatsOperator } from "./testing/nats-operator.ts";
import { until } from "./testing/until.ts";

const closing = closedAfterEach();

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
  publish: ["starling.pub.>", "starling.kept.>", "starling.who.>", "$JS.API.STREAM.INFO.>", "$JS.API.STREAM.CREATE.>",
            "$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.MSG.GET.>", "$KV.starling-bans.>",
            "$JS.API.STREAM.PURGE.KV_starling-bans"]
  subscribe: ["starling.pub.>", "starling.live.>", "starling.who.>", "_INBOX.>",
              "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.>"]
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

test("a user with no more permissions than documented keeps bans, reads a lot of them, and removes what is over", async () => {
  const users = `{ users: [{ user: node, password: secret, permissions: ${PERMISSIONS} }] }`;
  const server = await start(`authorization: ${users}`);
  const config = configOf(server, { user: "node", password: "secret" });
  const connect = () => connectToNats(config, "test");
  const node = () => {
    const made = new BansNode({ server, prefix: "starling", connect });
    closing.push(() => made.close());
    return made;
  };
  const [first, end] = [node(), Date.now() + 3_600_000];
  expect(await first.banned()).toEqual({});
  expect([
    await first.ban("ada", end),
    await first.ban("bob", end),
    await first.ban("ada", 0),
  ]).toEqual([...["ok", "ok", "ok"]]);
  const bucket = await first.bucket();
  for (let n = 0; n < 1_200; n++) await bucket.put(banOf(`${n}${"-".repeat(400)}`, end), 0);
  expect(await bucket.put(banOf("over", 0, 1), 0)).toBe(true);
  const second = node();
  expect(Object.keys(await second.banned())).toHaveLength(1_201);
  while ((await bucket.get("default", "over")) !== undefined) await Bun.sleep(20);
  const errors = [...first.log.lines, ...second.log.lines].filter(({ level }) => level === "error");
  expect(errors).toEqual([]);
});

/** One message goes to the server and comes back. */
async function expectWelcome(server: NatsServer, more: Partial<NatsConfig>): Promise<void> {
  const connection = await connectToNats(configOf(server, more), "test");
  closing.push(() => connection.close());
  await connection.flush();
}

/** A server that does not like a certificate only hangs up, and that is noticed when the time is over. */
async function refusalOf(
  server: NatsServer,
  more: Partial<NatsConfig>,
  timeout = 15_000,
): Promise<string> {
  const options = { ...connectionOptions(configOf(server, more), "test"), timeout };
  return connect(options).then(() => "connected", String);
}

describe("who the node is", () => {
  test("is said with a user and a password", async () => {
    const server = await start('authorization: { user: node, password: "p@ss:/word" }');
    await expectWelcome(server, { user: "node", password: "p@ss:/word" });
    expect(await refusalOf(server, { user: "node", password: "wrong" })).toMatch(/authorization/i);
    expect(await refusalOf(server, {})).toMatch(/authorization/i);
  });

  test("is said with a token", async () => {
    const server = await start('authorization: { token: "right" }');
    await expectWelcome(server, { token: "right" });
    expect(await refusalOf(server, { token: "wrong" })).toMatch(/authorization/i);
  });

  test("is said with a credentials file", async () => {
    const [operator, stranger] = [new NatsOperator(), new NatsOperator()];
    const server = await start(operator.configuration);
    await expectWelcome(server, { credentials: operator.credentials() });
    const refused = await refusalOf(server, { credentials: stranger.credentials() });
    expect(refused).toMatch(/authorization/i);
  });

  test("is said with the seed of an nkey", async () => {
    const [user, stranger] = [nkeys.createUser(), nkeys.createUser()];
    const server = await start(`authorization: { users: [{ nkey: ${user.getPublicKey()} }] }`);
    const seedOf = (key: typeof user) =>
      `# a comment\n${new TextDecoder().decode(key.getSeed())}\n`;
    await expectWelcome(server, { credentials: seedOf(user) });
    expect(await refusalOf(server, { credentials: seedOf(stranger) })).toMatch(/authorization/i);
  });

  test("that it is refused is said once, and it tries until it is not", async () => {
    const users = (password: string) => `authorization: { user: node, password: ${password} }`;
    const server = await start(users("new"));
    const log = new RecordingLog();
    let attempts = 0;
    const link = new MeshLink({
      connect() {
        attempts++;
        return connectToNats(configOf(server, { user: "node", password: "old" }), "test");
      },
      clock: { ...systemClock, setTimeout: (callback) => systemClock.setTimeout(callback, 10) },
      afterTurn,
      log,
    });
    closing.push(() => link.close());
    link.start();
    await until(() => attempts > 3);
    const refusals = () => log.lines.filter(({ message }) => message.startsWith("NATS refuses"));
    expect(refusals()).toEqual([
      {
        level: "error",
        message: "NATS refuses what this node says it is; trying again",
        fields: expect.objectContaining({ code: 901 }),
      },
    ]);
    expect(JSON.stringify(log.lines)).not.toContain("old");
    expect(link.downSince).toBeDefined();
    for (const password of ["old", "new", "old"]) {
      await server.kill();
      server.configure(users(password));
      await server.restart();
      if (password === "old") await until(() => link.downSince === undefined);
      else await until(() => refusals().length > 1);
    }
    expect(refusals()).toHaveLength(2);
    expect(link.number).toBe(2);
  }, 30_000);
});

describe("TLS to NATS", () => {
  test("trusts the authority that is configured, and no other", async () => {
    const [certificate, other] = [new ServerCertificate(), new ServerCertificate()];
    closing.push(
      () => certificate[Symbol.dispose](),
      () => other[Symbol.dispose](),
    );
    const { certFile, keyFile } = certificate;
    const server = await start(`tls: { cert_file: "${certFile}", key_file: "${keyFile}" }`);
    const trusting = (file: string) => ({ tls: { ca: readFileSync(file, "utf8") } });
    const connection = await connectToNats(configOf(server, trusting(certFile)), "test");
    closing.push(() => connection.close());
    await connection.flush();
    expect(connection.info?.tls_required).toBe(true);
    expect(await refusalOf(server, trusting(other.certFile))).not.toBe("connected");
  });

  test("shows the certificate that is configured where servers ask for one", async () => {
    const certificate = new ServerCertificate();
    const [authority, stranger] = [new ClientAuthority("ours"), new ClientAuthority("theirs")];
    closing.push(
      () => certificate[Symbol.dispose](),
      () => authority[Symbol.dispose](),
      () => stranger[Symbol.dispose](),
    );
    const { certFile, keyFile } = certificate;
    const server = await start(
      `tls: { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.file}", verify: true }`,
    );
    const ca = readFileSync(certFile, "utf8");
    await expectWelcome(server, { tls: { ca, ...authority.issue("node") } });
    for (const shown of [stranger.issue("node"), {}]) {
      expect(await refusalOf(server, { tls: { ca, ...shown } }, 1_000)).not.toBe("connected");
    }
  });
});
