/** The signalling protocol over WebTransport, with Chromium as the client. */

import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { BrowserPages } from "../support/browser-pages.ts";
import { ConfigFile } from "../support/config-file.ts";
import { within } from "../support/deadline.ts";
import { isRunning, NodeUnderTest } from "../support/faults/node-under-test.ts";
import { NOTE, PresencePeer } from "../support/presence-peer.ts";
import { newChannel, PUBLIC_KEY } from "../support/presence-scenarios.ts";
import { ServerCertificate } from "../support/server-certificate.ts";
import { eventPayload, pack, type Signal, SignallingClient } from "../support/signalling-client.ts";
import { ask, once, StockClients } from "../support/stock-client.ts";
import { certificateHash, LISTENING, startQuicNode } from "../support/webtransport-node.ts";
import { WebTransportPeer } from "../support/webtransport-peer.ts";

setDefaultTimeout(60_000);

/** Ten seconds until a lost connection is noticed, and ten before the published client comes back. */
const RECONNECT_MS = 40_000;

const certificate = new ServerCertificate();
const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const config = new ConfigFile({
  apps: {
    default: {
      namespaces: {
        fast: { ...anyone, volatile: true },
        safe: anyone,
        kept: { ...anyone, historySize: 100, recover: true },
      },
    },
  },
});
const settings = {
  PUBLIC_KEYS: PUBLIC_KEY,
  CONFIG_FILE: config.path,
  DRAIN_SECONDS: "2",
};
/** Pages of the published client, in a browser that takes the certificate for QUIC as well. */
let presencePages: BrowserPages;
/** Pages that use WebTransport themselves. */
let rawPages: BrowserPages;

beforeAll(async () => {
  const flags = ["--webtransport-developer-mode"];
  presencePages = await BrowserPages.start("./presence-quic-page.ts", certificate.certFile, flags);
  rawPages = await BrowserPages.start("./webtransport-page.ts", certificate.certFile);
});
afterEach(async () => {
  await presencePages.closeAll();
  await rawPages.closeAll();
});
afterAll(async () => {
  await presencePages?.stop();
  await rawPages?.stop();
  certificate[Symbol.dispose]();
  config[Symbol.dispose]();
});

function startNode(
  workers: number,
  environment: Record<string, string> = {},
): Promise<NodeUnderTest> {
  return startQuicNode(workers, { ...settings, ...environment });
}

const hashOf = ({ process }: NodeUnderTest): Promise<string> => certificateHash(process);

async function newPeer(): Promise<WebTransportPeer> {
  return new WebTransportPeer(await rawPages.open());
}

function urlOf({ process }: NodeUnderTest, query: Record<string, string>): string {
  return `${process.subscriberUrl}/v1?${new URLSearchParams({ publickey: PUBLIC_KEY, ...query })}`;
}

async function openedV2(node: NodeUnderTest, id: string): Promise<WebTransportPeer> {
  const peer = await newPeer();
  await peer.open(urlOf(node, { id, v: "2" }), await hashOf(node));
  await peer.openStream();
  return peer;
}

/** Joins, and reads what only who joins is told. */
async function joined(node: NodeUnderTest, id: string, channel: string): Promise<WebTransportPeer> {
  const peer = await openedV2(node, id);
  await peer.send({ t: "control", op: "channel_join", c: channel, pl: pack({ id }), id: 1 });
  const { way } = await peer.nextOf("snapshot");
  expect(way).toBe("stream");
  return peer;
}

async function presencePeer(node: NodeUnderTest, id: string): Promise<PresencePeer> {
  const page = await presencePages.open();
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  const peer = new PresencePeer((method, ...args) => {
    const list = args.map((argument) => JSON.stringify(argument)).join();
    return page.evaluate(`user.${method}(${list})`);
  });
  await peer.open(node.process.subscriberUrl, id, PUBLIC_KEY);
  expect(sockets).toEqual([]);
  return peer;
}

async function quicPid(node: NodeUnderTest): Promise<number> {
  const status = JSON.parse((await node.starling("status", "--json")).out);
  return status.workers.find(({ kind }: { kind: string }) => kind === "quic").pid;
}

function websocket({ process }: NodeUnderTest, id: string): Promise<SignallingClient> {
  return SignallingClient.open(process, { query: { publickey: PUBLIC_KEY, id } });
}

/** The next publication, passing over news of peers. */
async function nextData(peer: SignallingClient): Promise<Signal> {
  for (;;) {
    const signal = await peer.next();
    if (signal.t === "data") return signal;
  }
}

/** Waits for news of a peer, which may take as long as QUIC, or the published client, takes. */
async function hears(peer: SignallingClient, op: string, id: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  peer.readWith((signal) => {
    if (signal.op === op && signal.p === id) resolve();
  });
  await within(promise, `${op} of ${id}`, RECONNECT_MS);
}

describe.each([
  ["one process", 0],
  ["a cluster", 2],
])("with %s", (_name, workers) => {
  const trusted = certificate.environment;
  let node: NodeUnderTest;

  beforeAll(async () => {
    node = await startNode(workers, trusted);
  });
  afterAll(async () => {
    expect(await node?.stop()).toBe(0);
  });

  test("the published client talks to one on WebSocket and to Socket.IO, both ways", async () => {
    const channel = newChannel();
    const { subscriberUrl: url, ca } = node.process;
    const clients = new StockClients(() => ({ url, ca }));
    const socket = await clients.connected();
    await ask(socket, "subscribe", { channel });
    const ada = await presencePeer(node, "ada");
    await ada.join(channel, { id: "ada" });
    using bob = await websocket(node, "bob");
    await bob.join(channel, { id: "bob" });
    bob.send({ t: "control", op: "peer_online", c: channel });
    bob.send({ t: "control", op: "peer_state", c: channel, pl: pack({ id: "bob" }) });
    await ada.sees([{ id: "bob" }]);
    const answer = await bob.nextOf("peer_state");
    expect([answer.p, answer.pl]).toEqual(["ada", pack({ id: "ada" })]);

    const first = once(socket, NOTE);
    bob.send({ t: "data", c: channel, pl: eventPayload(NOTE, "1") });
    await ada.hears([[NOTE, 1, "bob"]]);
    // Two publishers at two workers have no common order: what one hears, another may not have heard.
    expect(await first).toEqual([1]);
    const second = once(socket, NOTE);
    await ada.broadcast(NOTE, { n: 2 });
    expect(await second).toEqual([{ n: 2 }]);
    expect((await nextData(bob)).pl).toEqual(eventPayload(NOTE, '{"n":2}'));
    const publication = { channel, event: NOTE, data: 3 };
    expect(await ask(socket, "publish", publication)).toEqual({ ok: true, subscribers: 3 });
    await ada.hears([
      [NOTE, 1, "bob"],
      [NOTE, 3, socket.id ?? ""],
    ]);
    clients.disconnectAll();
  });

  test("the published client whose page is closed is gone for the others", async () => {
    const channel = newChannel();
    const ada = await presencePeer(node, "ada");
    using bob = await websocket(node, "bob");
    await bob.join(channel, { id: "bob" });
    await ada.join(channel, { id: "ada" });
    await presencePages.closePages();
    await hears(bob, "peer_offline", "ada");
  });

  test("the quic worker that is killed takes nobody on WebSocket along, and comes back", async () => {
    const channel = newChannel();
    const ada = await presencePeer(node, "ada");
    await ada.join(channel, { id: "ada" });
    using bob = await websocket(node, "bob");
    using eve = await websocket(node, "eve");
    for (const peer of [bob, eve]) await peer.join(channel, { id: "x" });
    const pid = await quicPid(node);
    process.kill(pid, "SIGKILL");
    expect((await bob.nextOf("peer_offline")).p).toBe("ada");
    bob.send({ t: "data", c: channel, pl: eventPayload(NOTE, "1") });
    expect((await nextData(eve)).pl).toEqual(eventPayload(NOTE, "1"));
    await node.process.nextLine(LISTENING);
    expect(isRunning(pid)).toBe(false);
    const zoe = await presencePeer(node, "zoe");
    await zoe.join(channel, { id: "zoe" });
    expect((await bob.nextOf("peer_online")).p).toBe("zoe");
  });
});

test("the published client comes back by itself when the quic worker was killed", async () => {
  const node = await startNode(0, certificate.environment);
  try {
    const channel = newChannel();
    const ada = await presencePeer(node, "ada");
    await ada.join(channel, { id: "ada" });
    using bob = await websocket(node, "bob");
    await bob.join(channel, { id: "bob" });
    process.kill(await quicPid(node), "SIGKILL");
    expect((await bob.nextOf("peer_offline")).p).toBe("ada");
    // Who says something to a port without a listener learns of it at once, else after ten seconds.
    await ada.broadcast(NOTE, "anybody there?");
    await hears(bob, "peer_online", "ada");
  } finally {
    expect(await node.stop()).toBe(0);
  }
}, 90_000);

describe("version 2", () => {
  let node: NodeUnderTest;

  beforeAll(async () => {
    node = await startNode(0, { ALLOWED_ORIGINS: rawPages.origin });
  });
  afterAll(async () => {
    expect(await node?.stop()).toBe(0);
  });

  test("has a stream for what must arrive, of any size", async () => {
    const channel = `safe:${crypto.randomUUID()}`;
    const [ada, bob] = [await joined(node, "ada", channel), await joined(node, "bob", channel)];
    for (const size of [0, 1_150, 60_000]) {
      const pl = pack({ event: NOTE, data: JSON.stringify("x".repeat(size)) });
      await ada.send({ t: "data", c: channel, pl, id: size });
      const { way, signal } = await bob.next("data", ({ t }) => t === "data");
      expect([way, signal.p, signal.pl?.length]).toEqual(["stream", "ada", pl.length]);
      expect((await ada.nextOf("ack")).signal.id).toBe(size);
    }
  });

  test("has datagrams for what may be lost, both ways, and the stream where they are too small", async () => {
    const channel = `fast:${crypto.randomUUID()}`;
    const [ada, bob] = [await joined(node, "ada", channel), await joined(node, "bob", channel)];
    await ada.sendDatagram({ t: "data", c: channel, pl: eventPayload(NOTE, "1") });
    const small = await bob.next("data", ({ t }) => t === "data");
    expect([small.way, small.signal.pl]).toEqual(["datagram", eventPayload(NOTE, "1")]);
    const pl = eventPayload(NOTE, JSON.stringify("x".repeat(2_000)));
    await ada.send({ t: "data", c: channel, pl });
    expect((await bob.next("data", ({ t }) => t === "data")).way).toBe("stream");
    await bob.sendDatagram({ t: "control", op: "peer_state", c: channel, pl: pack({ id: "bob" }) });
    expect((await ada.nextOf("peer_state")).way).toBe("datagram");
    await bob.send({ t: "control", op: "peer_offline", c: channel });
    expect((await ada.nextOf("peer_offline")).way).toBe("stream");
  });

  test("has several messages in one datagram, both ways, and says so where the rest is none", async () => {
    const channel = `fast:${crypto.randomUUID()}`;
    const [ada, bob] = [await joined(node, "ada", channel), await joined(node, "bob", channel)];
    const notes = ["1", "2", "3"].map((note) => eventPayload(NOTE, note));
    await ada.sendBatch(
      notes.map((pl) => ({ t: "data", c: channel, pl })),
      [0, 9, 1],
    );
    for (const pl of notes) {
      const { way, signal } = await bob.next("data", ({ t }) => t === "data");
      expect([way, signal.pl]).toEqual(["batch", pl]);
    }
    const { way, signal } = await ada.nextOf("error");
    expect([way, signal.code]).toEqual(["stream", 120]);
  });

  test("answers datagrams that came before the stream once that is there", async () => {
    const peer = await newPeer();
    await peer.open(urlOf(node, { id: "ada", v: "2" }), await hashOf(node));
    for (const id of [1, 2]) await peer.sendDatagram({ t: "data", c: "safe:x", id });
    await peer.openStream();
    for (const id of [1, 2]) {
      const { way, signal } = await peer.nextOf("error");
      expect([way, signal.id, signal.code]).toEqual(["stream", id, 129]);
    }
  });

  test("comes back from a position, and gets what it missed before what is live", async () => {
    const c = `kept:${crypto.randomUUID()}`;
    /** Settles when the gateway has it: what comes on another connection comes after it. */
    const say = async (note: string) => {
      await bob.send({ t: "data", c, pl: eventPayload(NOTE, note), id: Number(note) });
      await bob.next("the answer", ({ op, id }) => op === "ack" && id === Number(note));
    };
    const bob = await joined(node, "bob", c);
    const ada = await openedV2(node, "ada");
    await ada.send({ t: "control", op: "subscribe", c, id: 1 });
    const { ep = "" } = (await ada.nextOf("ack")).signal;
    await say("1");
    const { off = 0 } = (await ada.next("data", ({ t }) => t === "data")).signal;
    await ada.close();
    for (const note of ["2", "3"]) await say(note);
    const back = await openedV2(node, "ada");
    await back.send({ t: "control", op: "subscribe", c, ep, off, id: 1 });
    expect((await back.nextOf("ack")).signal).toMatchObject({ ep, off, rec: true });
    await say("4");
    for (const note of ["2", "3", "4"]) {
      const { way, signal } = await back.next("data", ({ t }) => t === "data");
      expect([way, signal.pl]).toEqual(["stream", eventPayload(NOTE, note)]);
    }
  });

  test("tells what is wrong with a message, and closes with code and reason", async () => {
    const peer = await openedV2(node, "ada");
    await peer.sendDatagram({ t: "data", c: "safe:x", id: 7 });
    const { way, signal } = await peer.nextOf("error");
    expect([way, signal.id, signal.code]).toEqual(["stream", 7, 129]);
    const pl = pack({ id: "x".repeat(5_000) });
    await peer.send({ t: "control", op: "channel_join", c: "safe:x", pl });
    expect((await peer.nextOf("error")).signal.code).toBe(127);
    expect(await peer.ended()).toMatchObject({ closeCode: 4005 });
  });

  test("a page of another origin, and a wrong key, are refused, and told why if they ask", async () => {
    const hash = await hashOf(node);
    const wrong = urlOf(node, { id: "ada", publickey: "wrong" });
    const refused = await newPeer();
    expect(await refused.open(wrong, hash).catch(String)).toContain("Opening handshake failed");
    const asking = await newPeer();
    await asking.open(`${wrong}&why=1`, hash);
    expect(await asking.ended()).toEqual({ closeCode: 308, reason: "illegal public key" });

    const other = await startNode(0, { ALLOWED_ORIGINS: "https://other.example" });
    try {
      const from = await newPeer();
      const [url, itsHash] = [urlOf(other, { id: "ada" }), await hashOf(other)];
      expect(await from.open(url, itsHash).catch(String)).toContain("Opening handshake failed");
      await from.open(`${url}&why=1`, itsHash);
      expect(await from.ended()).toMatchObject({ closeCode: 300 });
    } finally {
      await other.stop();
    }
  });
});

test("a stop tells clients of version 2 in advance, and closes with code and reason", async () => {
  const node = await startNode(2);
  const channel = `safe:${crypto.randomUUID()}`;
  const ada = await joined(node, "ada", channel);
  const stopped = node.stop();
  const notice = await ada.nextOf("notice");
  expect([notice.way, notice.signal.code]).toEqual(["stream", 4000]);
  expect(await ada.ended()).toEqual({ closeCode: 4000, reason: "server is shutting down" });
  expect(await stopped).toBe(0);
});

test("the published client comes back over WebTransport when workers are replaced", async () => {
  const node = await startNode(1, certificate.environment);
  try {
    const channel = newChannel();
    const ada = await presencePeer(node, "ada");
    await ada.join(channel, { id: "ada" });
    using bob = await websocket(node, "bob");
    await bob.join(channel, { id: "bob" });
    expect((await node.starling("restart")).code).toBe(0);
    await node.process.nextLine(LISTENING);
    using eve = await websocket(node, "eve");
    await eve.join(channel, { id: "eve" });
    await hears(eve, "peer_online", "ada");
  } finally {
    expect(await node.stop()).toBe(0);
  }
}, 90_000);

test("WEBTRANSPORT=0 leaves it off", async () => {
  const node = await NodeUnderTest.start(0, { ...settings, WEBTRANSPORT: "0" });
  try {
    const peer = await newPeer();
    const url = urlOf(node, { id: "ada" });
    expect(await peer.open(url, await hashOf(node)).catch(String)).toContain("WebTransportError");
    expect(JSON.parse((await node.starling("status", "--json")).out).workers.length).toBe(1);
  } finally {
    expect(await node.stop()).toBe(0);
  }
});
