/** A channel is one channel: what anybody publishes reaches everybody, whatever they speak. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ConfigFile } from "../support/config-file.ts";
import { type EngineLink, openLink, type TransportName } from "../support/engine-link.ts";
import { EventStream, eventsUrl } from "../support/event-stream.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { eventPayload, pack, SignallingClient } from "../support/signalling-client.ts";

setDefaultTimeout(60_000);

const MESH = "node-1";
const ORDERED = 200;

const anyone = { subscribe: "anyone", publish: "anyone", presence: "anyone" };
const file = new ConfigFile({ namespaces: { "": anyone } });
afterAll(() => file[Symbol.dispose]());

const gateway = new GatewayFixture(() => ({
  CONFIG_FILE: file.path,
  MESH_ID: MESH,
  CONNECT_RATE_PER_ADDRESS: "0",
  CONNECT_RATE_PER_USER: "0",
  MESSAGE_RATE_PER_CONNECTION: "0",
}));

/** What a publication is, for each kind of receiver. */
interface Expected {
  readonly event: string;
  /** JSON text; binary parts stand in it as placeholders. */
  readonly data: string;
  readonly attachments?: readonly Uint8Array[];
  /** The same with binary parts as base64 text. */
  readonly inline: string;
  /** The payload for signalling clients. */
  readonly payload: Uint8Array;
  readonly publisher: string;
}

interface Sender extends Disposable {
  /** Publishes once; `number` tells apart what it publishes. */
  send(number: number): Promise<void>;
  expected(number: number): Expected;
}

interface Receiver extends Disposable {
  /** Reads the next publication and holds it against what it must be, byte for byte. */
  receive(expected: Expected): Promise<void>;
}

/** Numbers and texts that a parse and a new serialisation would change. */
function verbatim(number: number): string {
  return (
    `{"number":${number},"n":1.10,"big":12345678901234567890,"e":1E400,"z":-0.0,"k":1,"k":2,` +
    '"u":"\\u00e9\\u2028\\ud83d\\/","raw":"é\u2028🐢","list":[ 1 , null ]}'
  );
}

const PLACEHOLDER = '{"_placeholder":true,"num":0}';
const OTHER_PLACEHOLDER = '{"_placeholder":true,"num":1}';

function json(event: string, data: string, publisher: string): Expected {
  return { event, data, inline: data, payload: eventPayload(event, data), publisher };
}

function opaque(payload: Uint8Array, publisher: string): Expected {
  const inline = JSON.stringify(Buffer.from(payload).toString("base64"));
  const attachments = [payload];
  return { event: "message", data: PLACEHOLDER, attachments, inline, payload, publisher };
}

const nothing = { [Symbol.dispose]() {} };

// Senders

async function native(channel: string): Promise<Sender> {
  return {
    ...nothing,
    async send(number) {
      const text = verbatim(number);
      await gateway.post(
        "/api/publish",
        `{"channel":"${channel}","event":"e","data":${text},"publisher":"shop"}`,
      );
    },
    expected: (number) => json("e", verbatim(number), "shop"),
  };
}

async function nativeWithoutNames(channel: string): Promise<Sender> {
  return {
    ...nothing,
    async send(number) {
      await gateway.post("/api/publish", { channel, data: number });
    },
    expected: (number) => json("message", String(number), ""),
  };
}

function legacy(path: string, member: string): (channel: string) => Promise<Sender> {
  return async (channel) => ({
    ...nothing,
    async send(number) {
      await gateway.post(path, verbatim(number).replace("{", `{"${member}":"${channel}",`));
    },
    expected: (number) => json(channel, verbatim(number), ""),
  });
}

async function socketIoLink(transport: TransportName, user?: string) {
  const link = await openLink(gateway.engine(user), transport);
  await link.send("40");
  const { sid } = JSON.parse(String(await link.next()).slice(2));
  return { link, sid: String(sid) };
}

function socketIo(
  transport: TransportName,
  content: (
    number: number,
    publisher: string,
  ) => { packet: string; parts: Uint8Array[]; expected: Expected },
): (channel: string) => Promise<Sender> {
  return async (channel) => {
    const { link, sid } = await socketIoLink(transport);
    return {
      [Symbol.dispose]: () => link[Symbol.dispose](),
      send(number) {
        const { packet, parts } = content(number, sid);
        const head = `{"channel":"${channel}","event":"e","data":${packet}}`;
        const type = parts.length === 0 ? "42" : `45${parts.length}-`;
        return link.send(`${type}["publish",${head}]`, ...parts);
      },
      expected: (number) => content(number, sid).expected,
    };
  };
}

function jsonContent(number: number, publisher: string) {
  const packet = verbatim(number);
  return { packet, parts: [], expected: json("e", packet, publisher) };
}

function binaryContent(number: number, publisher: string) {
  const part = Uint8Array.of(0, 255, 0x81, number % 256);
  const expected = { ...opaque(part, publisher), event: "e" };
  return { packet: PLACEHOLDER, parts: [part], expected };
}

function mixedContent(number: number, publisher: string) {
  const parts = [Uint8Array.of(1, 2, number % 256), new Uint8Array()];
  const data = `{"a":${PLACEHOLDER},"n":1.10,"list":[${OTHER_PLACEHOLDER},"é"]}`;
  const [first = "", second = ""] = parts.map((part) => Buffer.from(part).toString("base64"));
  const inline = `{"a":"${first}","n":1.10,"list":["${second}","é"]}`;
  const payload = eventPayload("e", inline);
  const expected = { event: "e", data, attachments: parts, inline, payload, publisher };
  return { packet: data, parts, expected };
}

async function signalling(channel: string, v: "1" | "2"): Promise<[SignallingClient, string]> {
  const id = `sender-${v}`;
  const client = await SignallingClient.open(gateway.process, { id, v });
  client.send({ t: "control", op: "channel_join", c: channel });
  expect((await client.next()).op).toBe("channel_join");
  if (v === "2") expect((await client.next()).op).toBe("snapshot");
  return [client, id];
}

function signalled(
  v: "1" | "2",
  content: (number: number, publisher: string) => Expected,
): (channel: string) => Promise<Sender> {
  return async (channel) => {
    const [client, id] = await signalling(channel, v);
    return {
      [Symbol.dispose]: () => client[Symbol.dispose](),
      async send(number) {
        client.send({ t: "data", c: channel, pl: content(number, id).payload });
      },
      expected: (number) => content(number, id),
    };
  };
}

const signalledEvent = (number: number, publisher: string) =>
  json("e", verbatim(number), publisher);
/** An event whose MessagePack is not what our own writer would make: other order, another key. */
const foreignEvent = (number: number, publisher: string) => ({
  ...json("e", verbatim(number), publisher),
  payload: pack({ data: verbatim(number), more: [1.5, null], event: "e" }),
});
const opaqueBytes = (number: number, publisher: string) =>
  opaque(Uint8Array.of(0xc1, 0, 255, number % 256), publisher);
const opaqueMap = (number: number, publisher: string) => opaque(pack({ x: number }), publisher);
const notJson = (number: number, publisher: string) =>
  opaque(eventPayload("e", `{${number}`), publisher);

const senders: readonly [string, (channel: string) => Promise<Sender>][] = [
  ["the native request", native],
  ["the native request without names", nativeWithoutNames],
  ["the documented legacy request", legacy("/", "uuid")],
  ["the last legacy request", legacy("/publish", "target_id")],
  ["Socket.IO over WebSocket with JSON", socketIo("websocket", jsonContent)],
  ["Socket.IO over polling with JSON", socketIo("polling", jsonContent)],
  ["Socket.IO over WebSocket with one binary", socketIo("websocket", binaryContent)],
  ["Socket.IO over polling with one binary", socketIo("polling", binaryContent)],
  ["Socket.IO with JSON and binary parts", socketIo("websocket", mixedContent)],
  ["signalling 1 with an event", signalled("1", signalledEvent)],
  ["signalling 2 with an event", signalled("2", signalledEvent)],
  ["signalling with an event of another writer", signalled("1", foreignEvent)],
  ["signalling 1 with opaque bytes", signalled("1", opaqueBytes)],
  ["signalling 2 with opaque bytes", signalled("2", opaqueBytes)],
  ["signalling with a map that is no event", signalled("1", opaqueMap)],
  ["signalling with an event whose data is no JSON", signalled("2", notJson)],
];

// Receivers

function socketIoReceiver(transport: TransportName): (channel: string) => Promise<Receiver> {
  return async (channel) => {
    const { link } = await socketIoLink(transport);
    await subscribe(link, channel);
    return {
      [Symbol.dispose]: () => link[Symbol.dispose](),
      async receive({ event, data, attachments = [] }) {
        const type = attachments.length === 0 ? "42" : `45${attachments.length}-`;
        expect(await link.next()).toBe(`${type}["${event}",${data}]`);
        for (const part of attachments) expect(await link.next()).toEqual(new Uint8Array(part));
      },
    };
  };
}

async function subscribe(link: EngineLink, channel: string): Promise<void> {
  await link.send(`420["subscribe",{"channel":"${channel}"}]`);
  expect(await link.next()).toBe(`430[{"ok":true,"channel":"${channel}"}]`);
}

function signallingReceiver(
  v: "1" | "2",
  op: "channel_join" | "subscribe",
): (channel: string) => Promise<Receiver> {
  return async (channel) => {
    const client = await SignallingClient.open(gateway.process, { id: `receiver-${op}-${v}`, v });
    client.send({ t: "control", op, c: channel, id: 1 });
    expect((await client.next()).op).toBe(op === "subscribe" ? "ack" : "channel_join");
    if (v === "2" && op === "channel_join") {
      expect((await client.next()).op).toBe("ack");
      expect((await client.next()).op).toBe("snapshot");
    }
    return {
      [Symbol.dispose]: () => client[Symbol.dispose](),
      async receive({ payload, publisher }) {
        const pl = Buffer.from(payload);
        const signal = { t: "data", c: channel, p: publisher, pl, mesh: MESH };
        expect((await client.nextBytes()).toString("hex")).toBe(pack(signal).toString("hex"));
      },
    };
  };
}

function eventStream(envelope: boolean): (channel: string) => Promise<Receiver> {
  return async (channel) => {
    const { subscriberUrl, ca } = gateway.process;
    const query: Record<string, string> = envelope ? { envelope: "1" } : {};
    const stream = await EventStream.open(eventsUrl(subscriberUrl, [channel], query), ca);
    expect(await stream.next()).toBe("retry: 3000");
    return {
      [Symbol.dispose]: () => stream[Symbol.dispose](),
      async receive({ event, inline, publisher }) {
        const about = JSON.stringify({ channel, event, publisher }).slice(0, -1);
        expect(await stream.next()).toBe(
          envelope
            ? `event: message\ndata: ${about},"data":${inline}}`
            : `event: ${event}\ndata: ${inline}`,
        );
      },
    };
  };
}

const receivers: readonly [string, (channel: string) => Promise<Receiver>][] = [
  ["Socket.IO over WebSocket", socketIoReceiver("websocket")],
  ["Socket.IO over polling", socketIoReceiver("polling")],
  ["a member of signalling 1", signallingReceiver("1", "channel_join")],
  ["a member of signalling 2", signallingReceiver("2", "channel_join")],
  ["a subscriber of signalling 2", signallingReceiver("2", "subscribe")],
  ["an event stream", eventStream(false)],
  ["an event stream with envelopes", eventStream(true)],
];

describe.each(senders)("what comes by %s", (_name, openSender) => {
  test.each(receivers)("reaches %s byte for byte", async (_receiver, openReceiver) => {
    const channel = crypto.randomUUID();
    using receiver = await openReceiver(channel);
    using sender = await openSender(channel);
    await sender.send(1);
    await receiver.receive(sender.expected(1));
    await sender.send(2);
    await receiver.receive(sender.expected(2));
  });

  test(`reaches everybody at once, ${ORDERED} messages in order`, async () => {
    const channel = crypto.randomUUID();
    const open = await Promise.all(receivers.map(([, openReceiver]) => openReceiver(channel)));
    using sender = await openSender(channel);
    const reading = open.map(async (receiver) => {
      for (let number = 0; number < ORDERED; number++) {
        await receiver.receive(sender.expected(number));
      }
    });
    for (let number = 0; number < ORDERED; number++) await sender.send(number);
    await Promise.all(reading);
    for (const receiver of open) receiver[Symbol.dispose]();
  });
});

describe.each(["1", "2"] as const)("a sender of signalling %s", (v) => {
  test("does not hear itself, and another of the same name does", async () => {
    const channel = crypto.randomUUID();
    const [client] = await signalling(channel, v);
    const [twin] = await signalling(channel, v);
    const pl = eventPayload("e", "1");
    client.send({ t: "data", c: channel, pl });
    expect(await twin.next()).toEqual({
      ...{ t: "data", c: channel, p: `sender-${v}`, pl, mesh: MESH },
    });
    await gateway.post("/api/publish", { channel, event: "mark", data: 2 });
    const mark = eventPayload("mark", "2");
    expect(await client.next()).toEqual({ t: "data", c: channel, p: "", pl: mark, mesh: MESH });
    client[Symbol.dispose]();
    twin[Symbol.dispose]();
  });
});

test("a Socket.IO publisher with a user id is known by it", async () => {
  const [channel, user] = [crypto.randomUUID(), crypto.randomUUID()];
  const [member] = await signalling(channel, "1");
  const { link } = await socketIoLink("websocket", user);
  await link.send(`42["publish",{"channel":"${channel}","event":"e","data":1}]`);
  expect(await member.next()).toMatchObject({ t: "data", p: user });
  member[Symbol.dispose]();
  link[Symbol.dispose]();
});

test("clients of other protocols, and subscribers, see nothing of who comes and goes", async () => {
  const channel = crypto.randomUUID();
  const others: readonly [string, (channel: string) => Promise<Receiver>][] = receivers.filter(
    ([name]) => !name.startsWith("a member"),
  );
  const open = await Promise.all(others.map(([, openReceiver]) => openReceiver(channel)));
  for (const v of ["1", "2"] as const) {
    const [peer] = await signalling(channel, v);
    const pl = pack({ id: "peer", x: 1 });
    peer.send({ t: "control", op: "peer_online", c: channel });
    peer.send({ t: "control", op: "peer_state", c: channel, p: "renamed", pl });
    peer.send({ t: "control", op: "peer_offline", c: channel });
    const [lost] = await signalling(channel, v);
    lost.send({ t: "control", op: "peer_online", c: channel });
    lost[Symbol.dispose]();
    peer.close();
    await peer.ended;
  }
  await gateway.post("/api/publish", { channel, event: "mark", data: 1 });
  for (const receiver of open) {
    await receiver.receive(json("mark", "1", ""));
    receiver[Symbol.dispose]();
  }
});

/** Names that a stock client may not receive, and names that break the lines of an event stream. */
test.each(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "", "a\nb"])(
  "an event of signalling that is named %j comes as a binary message to the others",
  async (name) => {
    const channel = crypto.randomUUID();
    const open = await Promise.all(receivers.map(([, openReceiver]) => openReceiver(channel)));
    const [client, id] = await signalling(channel, "1");
    const expected = opaque(eventPayload(name, '"forged"'), id);
    client.send({ t: "data", c: channel, pl: expected.payload });
    for (const receiver of open) {
      await receiver.receive(expected);
      receiver[Symbol.dispose]();
    }
    client[Symbol.dispose]();
  },
);
