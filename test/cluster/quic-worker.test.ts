/** What happens to the quic worker, and what others notice of it. */

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createSocket } from "node:dgram";
import { ConfigFile } from "../support/config-file.ts";
import { eventually } from "../support/deadline.ts";
import { DenoPage } from "../support/deno-page.ts";
import { isRunning, NodeUnderTest } from "../support/faults/node-under-test.ts";
import { UnixProxy } from "../support/faults/unix-proxy.ts";
import { HOOK_SECRET, HookReceiver } from "../support/hook-receiver.ts";
import { httpsCall } from "../support/https.ts";
import { newChannel, PUBLIC_KEY } from "../support/presence-scenarios.ts";
import { certificateHash } from "../support/server-certificate.ts";
import { eventPayload, SignallingClient } from "../support/signalling-client.ts";
import { WebTransportPeer } from "../support/webtransport-peer.ts";

setDefaultTimeout(60_000);

const LISTENING = "WebTransport listening";
const OFF = "WebTransport is off, everything else works: see to the cause, or set WEBTRANSPORT=0";
const LEASE = "2000";
const MODES = [
  ["one process", 0],
  ["a cluster", 2],
] as const;

const peers: WebTransportPeer[] = [];
const disposables: Disposable[] = [];
let started: NodeUnderTest | undefined;
afterEach(async () => {
  // Else the stop would wait for their answers.
  await Promise.allSettled(peers.splice(0).map((peer) => peer.close()));
  for (const each of disposables.splice(0)) each[Symbol.dispose]();
  await started?.stop();
  started = undefined;
});

async function start(
  workers: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<NodeUnderTest> {
  const settings = { WEBTRANSPORT: "1", PUBLIC_KEYS: PUBLIC_KEY, DRAIN_SECONDS: "1" };
  started = await NodeUnderTest.start(workers, { ...settings, ...environment });
  await started.process.nextLine(LISTENING);
  return started;
}

async function expectGone(pid: number): Promise<void> {
  await eventually("the end of the quic worker", async () => {
    return !isRunning(pid) || undefined;
  });
}

interface QuicStatus {
  readonly pid: number;
  readonly state: string;
  readonly restarts: number;
}

async function quicStatus(node: NodeUnderTest): Promise<QuicStatus> {
  const { workers } = JSON.parse((await node.starling("status", "--json")).out);
  return workers.find(({ kind }: { kind: string }) => kind === "quic");
}

async function isReady({ process: { subscriberUrl, ca } }: NodeUnderTest): Promise<boolean> {
  return (await httpsCall(`${subscriberUrl}/ready`, ca)).status === 200;
}

/** A member over WebTransport. */
async function overQuic(node: NodeUnderTest, id: string, channel: string) {
  const page = new DenoPage();
  disposables.push(page);
  const peer = new WebTransportPeer(page);
  peers.push(peer);
  const query = new URLSearchParams({ publickey: PUBLIC_KEY, id, v: "2" });
  const { subscriberUrl, ca } = node.process;
  await peer.open(`${subscriberUrl}/v1?${query}`, certificateHash(ca));
  await peer.openStream();
  await peer.send({ t: "control", op: "channel_join", c: channel });
  await peer.nextOf("snapshot");
  return peer;
}

/** A member over WebSocket. */
async function overTcp(node: NodeUnderTest, id: string, channel: string) {
  const client = await SignallingClient.open(node.process, {
    query: { publickey: PUBLIC_KEY, id },
  });
  disposables.push(client);
  await client.join(channel);
  return client;
}

let notes = 0;

/** Expects that both hear each other. */
async function expectTalk(ada: WebTransportPeer, bob: SignallingClient, channel: string) {
  const toBob = eventPayload("note", String(++notes));
  await ada.send({ t: "data", c: channel, pl: toBob });
  expect((await nextData(bob)).pl).toEqual(toBob);
  const toAda = eventPayload("note", String(++notes));
  bob.send({ t: "data", c: channel, pl: toAda });
  const { signal } = await ada.next("data", ({ t }) => t === "data");
  expect(signal.pl && Buffer.compare(signal.pl, toAda)).toBe(0);
}

async function nextData(client: SignallingClient) {
  for (;;) {
    const signal = await client.next();
    if (signal.t === "data") return signal;
  }
}

describe.each(MODES)("the quic worker of %s", (_name, workers) => {
  test("that hangs within the lease goes on, for longer is replaced, and nobody else notices", async () => {
    const node = await start(workers, { PRESENCE_LEASE: LEASE });
    const channel = newChannel();
    const [ada, bob] = [await overQuic(node, "ada", channel), await overTcp(node, "bob", channel)];
    const pid = node.quicWorker();
    process.kill(pid, "SIGSTOP");
    await Bun.sleep(300);
    process.kill(pid, "SIGCONT");
    await expectTalk(ada, bob, channel);

    process.kill(pid, "SIGSTOP");
    const offline = bob.nextOf("peer_offline");
    await node.process.nextLine(LISTENING);
    expect((await offline).p).toBe("ada");
    expect([isRunning(pid), await isReady(node)]).toEqual([false, true]);
    await expectTalk(await overQuic(node, "eve", channel), bob, channel);
    expect(await quicStatus(node)).toMatchObject({ state: "ready", restarts: 1 });
  });

  test("tells hooks of its members as others do, and a kill takes them away", async () => {
    const receiver = await HookReceiver.start();
    const file = new ConfigFile({ hooks: [{ url: receiver.url, secrets: [HOOK_SECRET] }] });
    disposables.push(receiver, file);
    // The receiver is gone before the node stops.
    const settings = { HOOKS_VACATED_DELAY: "0", HOOKS_DRAIN: "0" };
    const node = await start(workers, { CONFIG_FILE: file.path, ...settings });
    const [shared, own] = [newChannel(), newChannel()];
    await overTcp(node, "bob", shared);
    const ada = await overQuic(node, "ada", shared);
    await ada.send({ t: "control", op: "channel_join", c: own });
    await ada.nextOf("snapshot");
    await receiver.until("a join", () => receiver.ofChannel(own).length === 2);
    process.kill(node.quicWorker(), "SIGKILL");
    await receiver.until("vacated", () => receiver.ofChannel(own).includes("vacated"));
    expect(receiver.ofChannel(own)).toEqual(["occupied", "join", "leave", "vacated"]);
    expect(receiver.ofChannel(shared)).toEqual(["occupied", "join", "join", "leave"]);
    const connections = receiver.taken.filter(({ type }) => type.endsWith("connect"));
    expect(connections.map(({ type }) => type)).toEqual(["connect", "connect", "disconnect"]);
  });

  test("goes when its supervisor is killed, with its clients, and the port is free", async () => {
    const node = await start(workers);
    const ada = await overQuic(node, "ada", newChannel());
    const pid = node.quicWorker();
    process.kill(node.process.pid, "SIGKILL");
    await ada.ended();
    await expectGone(pid);
    // The threads of a process may be there for a moment longer than the process, with its sockets.
    const port = Number(new URL(node.process.subscriberUrl).port);
    const socket = await eventually("a free port", async () => {
      try {
        return await Bun.udpSocket({ hostname: "127.0.0.1", port });
      } catch {
        return undefined;
      }
    });
    socket.close();
  });
});

test("a quic worker whose link is cut keeps its clients within the lease, and sends them away after it", async () => {
  const node = await start(0, { PRESENCE_LEASE: LEASE });
  const links = await UnixProxy.inFrontOf(node.brokerSocket);
  disposables.push(links);
  // The one that there is has its link already; the next goes through the proxy.
  process.kill(node.quicWorker(), "SIGKILL");
  await node.process.nextLine(LISTENING);
  const channel = newChannel();
  const [ada, bob] = [await overQuic(node, "ada", channel), await overTcp(node, "bob", channel)];
  links.cut();
  links.mend();
  await eventually("the link", async () => {
    return links.open === 1 || undefined;
  });
  await expectTalk(ada, bob, channel);

  links.cut();
  expect((await bob.nextOf("peer_offline")).p).toBe("ada");
  links.mend();
  await ada.ended();
  await expectTalk(await overQuic(node, "eve", channel), bob, channel);
  expect(await quicStatus(node)).toMatchObject({ state: "ready", restarts: 1 });
});

test("a quic worker that crashes again and again is given up, which is said, until a restart", async () => {
  const node = await start(1);
  for (let life = 1; life < 5; life++) {
    process.kill(node.quicWorker(), "SIGKILL");
    await node.process.nextLine(LISTENING);
  }
  process.kill(node.quicWorker(), "SIGKILL");
  const { level, reason } = await node.process.nextLine(OFF);
  const told = "the quic worker was given up after 5 short lives in a row";
  expect([level, reason]).toEqual(["warn", told]);
  expect(await quicStatus(node)).toMatchObject({ state: "given up", restarts: 4, reason: told });
  expect(await isReady(node)).toBe(true);
  const channel = newChannel();
  const [bob, eve] = [await overTcp(node, "bob", channel), await overTcp(node, "eve", channel)];
  const pl = eventPayload("note", "1");
  bob.send({ t: "data", c: channel, pl });
  expect((await nextData(eve)).pl).toEqual(pl);
  expect(await node.starling("restart")).toMatchObject({ code: 0 });
  expect(await quicStatus(node)).toMatchObject({ state: "ready" });
});

test("a second signal ends a quic worker that hangs", async () => {
  const node = await start(0);
  const pid = node.quicWorker();
  process.kill(pid, "SIGSTOP");
  process.kill(node.process.pid, "SIGTERM");
  await eventually("a stop", async () => {
    // Sooner, the second one would count as a copy of the first.
    await Bun.sleep(400);
    return node.logLines.some(({ msg }) => msg === "stopping") || undefined;
  });
  expect(await node.process.stop()).toBe(143);
  await expectGone(pid);
});

test("garbage on the port and in sessions ends nothing but its own session", async () => {
  const node = await start(0);
  const channel = newChannel();
  const [ada, bob] = [await overQuic(node, "ada", channel), await overTcp(node, "bob", channel)];
  const pid = node.quicWorker();
  const socket = createSocket("udp4");
  const { port } = new URL(node.process.subscriberUrl);
  for (let size = 1; size <= 1_200; size += 11) {
    const packet = crypto.getRandomValues(new Uint8Array(size));
    // Half of them claim to begin a connection.
    if (size % 2 === 0) packet.set([0xc3, 0, 0, 0, 1]);
    socket.send(packet, Number(port), "127.0.0.1");
  }
  const eve = await overQuic(node, "eve", channel);
  for (let count = 0; count < 50; count++) await eve.sendRaw("datagram", [0xc1, count, 0xff]);
  // A message of 4 GiB, of which nothing comes.
  await eve.sendRaw("stream", [0xff, 0xff, 0xff, 0xff]);
  expect((await bob.nextOf("peer_offline")).p).toBe("eve");
  await eve.ended();
  await expectTalk(ada, bob, channel);
  expect(await quicStatus(node)).toMatchObject({ pid, restarts: 0 });
  socket.close();
});
