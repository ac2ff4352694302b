/** Socket.IO protocol 5 on top of Engine.IO protocol 4, as its document states it. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { within } from "../support/deadline.ts";
import { EngineHttp, separator } from "../support/engine-http.ts";
import {
  type EngineLink,
  openLink,
  type Packet,
  PollingLink,
  type TransportName,
  WebSocketLink,
} from "../support/engine-link.ts";
import { type ProtocolApp, startProtocolApp } from "../support/protocol-app.ts";

setDefaultTimeout(30_000);

let app: ProtocolApp;
let http: EngineHttp;

beforeAll(async () => {
  app = await startProtocolApp("socket");
  http = new EngineHttp(`${app.url}/socket.io/`);
});

afterAll(() => app?.kill());

const transports: TransportName[] = ["polling", "websocket"];

/** Checks the answer to a CONNECT packet and gives the id in it. */
function expectConnected(packet: Packet, namespace = "/"): string {
  const prefix = namespace === "/" ? "40" : `40${namespace},`;
  if (typeof packet !== "string" || !packet.startsWith(prefix)) {
    throw new Error(`expected a CONNECT packet for ${namespace}, got ${packet}`);
  }
  const data: { sid: string } = JSON.parse(packet.slice(prefix.length));
  expect(data).toEqual({ sid: expect.any(String) });
  expect(data.sid).not.toBe("");
  return data.sid;
}

/** Connects to a namespace and reads the `auth` event that follows. */
async function join(link: EngineLink, namespace = "/"): Promise<string> {
  const suffix = namespace === "/" ? "" : `${namespace},`;
  await link.send(`40${suffix}`);
  const sid = expectConnected(await link.next(), namespace);
  expect(await link.next()).toBe(`42${suffix}["auth",{}]`);
  return sid;
}

async function openJoined(transport: TransportName): Promise<EngineLink> {
  const link = await openLink(http, transport);
  await join(link);
  return link;
}

async function expectEcho(link: EngineLink): Promise<void> {
  await link.send('42["message","still here"]');
  expect(await link.next()).toBe('42["message-back","still here"]');
}

/** Waits until the server has handled all that was sent so far. */
async function settle(link: EngineLink): Promise<void> {
  await link.send("40/random,");
  expect(await link.next()).toBe('44/random,{"message":"Invalid namespace"}');
}

describe.each(transports)("connecting over %s", (transport) => {
  test("to the main namespace gives an id", async () => {
    using link = await openLink(http, transport);
    await link.send("40");
    const sid = expectConnected(await link.next());
    expect(await link.next()).toBe('42["auth",{}]');
    expect(sid).not.toBe(link.handshake.sid);
  });

  test("to the main namespace hands over the payload", async () => {
    using link = await openLink(http, transport);
    await link.send('40{"token":"123","nested":{"list":[1,null,"ż"]}}');
    expectConnected(await link.next());
    expect(await link.next()).toBe('42["auth",{"token":"123","nested":{"list":[1,null,"ż"]}}]');
  });

  test("to another namespace needs no connection to the main one", async () => {
    using link = await openLink(http, transport);
    await link.send("40/custom,");
    expectConnected(await link.next(), "/custom");
    expect(await link.next()).toBe('42/custom,["auth",{}]');
  });

  test("to another namespace hands over the payload", async () => {
    using link = await openLink(http, transport);
    await link.send('40/custom,{"token":"abc"}');
    expectConnected(await link.next(), "/custom");
    expect(await link.next()).toBe('42/custom,["auth",{"token":"abc"}]');
  });

  test.each(["/random", "/custom/", "/__proto__", "/Custom"])(
    "to the unknown namespace %s is an error and leaves the connection open",
    async (namespace) => {
      using link = await openLink(http, transport);
      await link.send(`40${namespace},`);
      expect(await link.next()).toBe(`44${namespace},{"message":"Invalid namespace"}`);
      await join(link);
      await expectEcho(link);
    },
  );

  test("to several namespaces shares one connection", async () => {
    using link = await openLink(http, transport);
    const main = await join(link);
    const custom = await join(link, "/custom");
    expect(custom).not.toBe(main);
    await expectEcho(link);
  });

  test.each([
    ["an event", '42["message"]'],
    ["an acknowledgement", "431[]"],
    ["a DISCONNECT packet", "41"],
    ["a CONNECT_ERROR packet", '44{"message":"no"}'],
    ["a packet of unknown type", "4abc"],
    ["an empty packet", "4"],
    ["a CONNECT packet with a list as payload", "40[]"],
    ["a CONNECT packet with a string as payload", '40"abc"'],
    ["a CONNECT packet with broken JSON as payload", '40{"token"'],
    ["a binary frame", Uint8Array.of(1, 2, 3)],
  ])("with %s first closes the connection", async (_case, packet) => {
    using link = await openLink(http, transport);
    await link.send(packet);
    await within(link.closed, "end of the connection");
  });

  test("twice to one namespace closes the connection", async () => {
    using link = await openJoined(transport);
    await link.send("40");
    await within(link.closed, "end of the connection");
  });

  test("never, though pings are answered, closes the connection", async () => {
    using link = await openLink(http, transport);
    await within(link.closed, "end of the connection");
  });
});

describe.each(transports)("disconnecting over %s", (transport) => {
  test("from one namespace leaves the other one connected", async () => {
    using link = await openJoined(transport);
    await join(link, "/custom");
    await link.send("41/custom,");
    await expectEcho(link);
  });

  test("from the main namespace leaves another one connected", async () => {
    using link = await openLink(http, transport);
    const before = await join(link);
    await join(link, "/custom");
    await link.send("41");
    await settle(link);
    const after = await join(link);
    expect(after).not.toBe(before);
    await expectEcho(link);
  });

  test("ends the right to send events there", async () => {
    using link = await openJoined(transport);
    await join(link, "/custom");
    await link.send("41");
    await settle(link);
    await link.send('42["message"]');
    await within(link.closed, "end of the connection");
  });
});

describe.each(transports)("events over %s", (transport) => {
  test("carry their arguments both ways", async () => {
    using link = await openJoined(transport);
    await link.send('42["message",1,"2",{"3":[true,null,-0.5]},"€ żółw 🐢"]');
    expect(await link.next()).toBe('42["message-back",1,"2",{"3":[true,null,-0.5]},"€ żółw 🐢"]');
  });

  test("need no arguments", async () => {
    using link = await openJoined(transport);
    await link.send('42["message"]');
    expect(await link.next()).toBe('42["message-back"]');
  });

  test("that nobody handles are ignored", async () => {
    using link = await openJoined(transport);
    await link.send('42["nobody-knows-this"]');
    await expectEcho(link);
  });

  test("keep their order", async () => {
    using link = await openJoined(transport);
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    await link.send(...numbers.map((number) => `42["message",${number}]`));
    for (const number of numbers) {
      expect(await link.next()).toBe(`42["message-back",${number}]`);
    }
  });

  test("carry binary arguments both ways", async () => {
    using link = await openJoined(transport);
    await link.send(
      '452-["message",{"_placeholder":true,"num":0},"text",{"_placeholder":true,"num":1}]',
      Uint8Array.of(1, 2, 3),
      Uint8Array.of(0, 255),
    );
    expect(await link.next()).toBe(
      '452-["message-back",{"_placeholder":true,"num":0},"text",{"_placeholder":true,"num":1}]',
    );
    expect(await link.next()).toEqual(Uint8Array.of(1, 2, 3));
    expect(await link.next()).toEqual(Uint8Array.of(0, 255));
  });

  test("carry binary inside objects and lists", async () => {
    using link = await openJoined(transport);
    const args = '{"a":[{"_placeholder":true,"num":0}],"b":{"c":{"_placeholder":true,"num":1}}}';
    await link.send(`452-["message",${args}]`, Uint8Array.of(7), Uint8Array.of(8));
    expect(await link.next()).toBe(`452-["message-back",${args}]`);
    expect(await link.next()).toEqual(Uint8Array.of(7));
    expect(await link.next()).toEqual(Uint8Array.of(8));
  });
});

describe.each(transports)("acknowledgements over %s", (transport) => {
  test.each([0, 1, 456, 9_007_199_254_740_991])("repeat the id %d", async (id) => {
    using link = await openJoined(transport);
    await link.send(`42${id}["message-with-ack",1,"2",{"3":[false]}]`);
    expect(await link.next()).toBe(`43${id}[1,"2",{"3":[false]}]`);
  });

  test("may be an empty list", async () => {
    using link = await openJoined(transport);
    await link.send('427["message-with-ack"]');
    expect(await link.next()).toBe("437[]");
  });

  test("carry binary", async () => {
    using link = await openJoined(transport);
    await link.send(
      '452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
      Uint8Array.of(1, 2, 3),
      Uint8Array.of(4, 5, 6),
    );
    expect(await link.next()).toBe(
      '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    );
    expect(await link.next()).toEqual(Uint8Array.of(1, 2, 3));
    expect(await link.next()).toEqual(Uint8Array.of(4, 5, 6));
  });

  test("that nobody asked for are ignored", async () => {
    using link = await openJoined(transport);
    await link.send('4399["unasked"]');
    await expectEcho(link);
  });
});

const attachment = Uint8Array.of(1, 2, 3);
const placeholder = '{"_placeholder":true,"num":0}';

describe.each(transports)("a connection over %s is closed upon", (transport) => {
  test.each<[string, Packet[]]>([
    ["a packet of unknown type", ["4abc"]],
    ["a packet type that is not assigned", ["47"]],
    ["an empty packet", ["4"]],
    ["a CONNECT_ERROR packet", ['44{"message":"no"}']],
    ["an event without payload", ["42"]],
    ["an event whose payload is an object", ["42{}"]],
    ["an event whose payload is a string", ['42"message"']],
    ["an event with an empty payload", ["42[]"]],
    ["an event whose payload is not JSON", ["42abc"]],
    ["an event with something before its payload", ['42abc["message",{}]']],
    ["an event cut short", ['42["message"']],
    ["an event with something behind its payload", ['42["message"]x']],
    ["an acknowledgement whose payload is an object", ["431{}"]],
    ["an acknowledgement whose payload is not JSON", ["431abc"]],
    ["an event for a namespace without connection", ['42/custom,["message"]']],
    ["an event for an unknown namespace", ['42/random,["message"]']],
    ["an acknowledgement for a namespace without connection", ["43/custom,1[]"]],
    ["a DISCONNECT packet for a namespace without connection", ["41/custom,"]],
    ["a binary event without number of attachments", [`45["message",${placeholder}]`, attachment]],
    ["a number of attachments that is none", [`45abc-["message",${placeholder}]`, attachment]],
    ["a negative number of attachments", [`45-1-["message",${placeholder}]`, attachment]],
    ["a fraction of an attachment", [`450.5-["message",${placeholder}]`, attachment]],
    ["a binary event with an invalid payload", ["451-{}", attachment]],
    [
      "a placeholder beyond the attachments",
      ['451-["message",{"_placeholder":true,"num":1}]', attachment],
    ],
    [
      "a placeholder that is no number",
      ['451-["message",{"_placeholder":true,"num":"splice"}]', attachment],
    ],
    ["text in place of an attachment", [`451-["message",${placeholder}]`, '42["message"]']],
    ["too few attachments", [`452-["message",${placeholder}]`, attachment, '42["message"]']],
    ["too many attachments", [`451-["message",${placeholder}]`, attachment, attachment]],
    ["an attachment without event", [attachment]],
  ])("%s", async (_case, packets) => {
    using link = await openJoined(transport);
    await link.send(...packets);
    await within(link.closed, "end of the connection");
  });

  test.each([
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
  ])("the reserved event name %s", async (event) => {
    using link = await openJoined(transport);
    await link.send(`42["${event}"]`);
    await within(link.closed, "end of the connection");
  });
});

describe("one client's malformed packet", () => {
  test("does not disturb another client", async () => {
    using good = await openJoined("websocket");
    using bad = await openJoined("websocket");
    await bad.send('451-["message"]', "4abc");
    await within(bad.closed, "end of the connection");
    await expectEcho(good);
  });
});

describe("an Engine.IO upgrade", () => {
  test("keeps the namespaces and their ids", async () => {
    const { sid } = await http.handshake();
    await http.post(sid, `40${separator}40/custom,`);
    const greetings = await http.receive(sid, 4);
    expect(greetings.map((packet) => packet.replace(/{"sid":"[^"]+"}/, "SID")).toSorted()).toEqual([
      "40/custom,SID",
      "40SID",
      '42/custom,["auth",{}]',
      '42["auth",{}]',
    ]);
    using link = await WebSocketLink.attach(http, sid);
    await link.send("2probe");
    expect(await link.next()).toBe("3probe");
    await link.send("5", '42["message","upgraded"]', '4212["message-with-ack"]', "41/custom,");
    expect(await link.next()).toBe('42["message-back","upgraded"]');
    expect(await link.next()).toBe("4312[]");
    await link.send("40/custom,");
    expectConnected(await link.next(), "/custom");
  });

  test("delivers what was emitted meanwhile, attachments included", async () => {
    using polling = await PollingLink.open(http);
    await join(polling);
    const { sid } = polling.handshake;
    using link = await WebSocketLink.attach(http, sid);
    await link.send("2probe");
    expect(await link.next()).toBe("3probe");
    await link.send("5", `451-["message",${placeholder}]`, attachment);
    expect(await link.next()).toBe(`451-["message-back",${placeholder}]`);
    expect(await link.next()).toEqual(attachment);
  });
});

describe("the end of the Engine.IO session", () => {
  test("by the client's close packet ends every namespace", async () => {
    using polling = await PollingLink.open(http);
    await join(polling);
    await polling.send("1");
    await within(polling.closed, "end of the session");
  });
});
