/** What is published reaches exactly whom it is for: complete, in order and as it was written. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Socket } from "socket.io-client";
import { within } from "../support/deadline.ts";
import { type EngineLink, openLink, WebSocketLink } from "../support/engine-link.ts";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { rawCall } from "../support/https.ts";
import { requestHead } from "../support/raw-http.ts";
import { once, upgraded, ways } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

/** At least so many messages go out while clients come and change their transport. */
const MESSAGES = 500;

const gateway = new GatewayFixture(() => ({
  CONNECT_RATE_PER_USER: "0",
  CONNECT_RATE_PER_ADDRESS: "0",
}));

const generations: [string, string, string][] = [
  ["documented", "/", "uuid"],
  ["last", "/publish", "target_id"],
];

/** Numbers and texts that a parse and a new serialisation would change. */
const VERBATIM =
  '{"n":1.10,"big":12345678901234567890,"e":1E400,"z":-0.0,"k":1,"k":2,' +
  '"u":"\\u00e9\\u2028\\ud83d\\/","raw":"é\u2028🐢","nested":{"uuid":"x","target_id":[ 1 , 2 ]}}';

describe.each(ways)("over %s", (_way, options) => {
  function connected(user: string): Promise<Socket> {
    return gateway.clients.connected({ ...options, query: { uniqueUserId: user } });
  }

  test.each(generations)(
    "the %s request reaches every connection of the user, and nobody else",
    async (_generation, path, member) => {
      const [user, other] = [crypto.randomUUID(), crypto.randomUUID()];
      const own = await Promise.all([connected(user), connected(user), connected(user)]);
      const foreign = await connected(other);
      const heard: unknown[][] = [];
      foreign.onAny((...event: unknown[]) => heard.push(event));
      const received = Promise.all(own.map((socket) => once(socket, user)));
      await gateway.post(path, { first: [1, { two: null }], [member]: user, text: "grüße 🐢" });
      const rest = { first: [1, { two: null }], text: "grüße 🐢" };
      expect(await received).toEqual([[rest], [rest], [rest]]);

      const mark = once(foreign, other);
      await gateway.post(path, { [member]: other });
      expect(await mark).toEqual([{}]);
      expect(heard).toEqual([[other, {}]]);
    },
  );

  test("native events have their own name, message where none is given, and any data", async () => {
    const user = crypto.randomUUID();
    const socket = await connected(user);
    for (const data of [null, 0, "", "text", false, [], [[1]], { a: { b: {} } }]) {
      const received = once(socket, "message");
      await gateway.post("/api/publish", { channel: user, data });
      expect(await received).toEqual([data]);
    }
    const named = once(socket, 'a "name" with € and \\');
    await gateway.post("/api/publish", { channel: user, event: 'a "name" with € and \\', data: 1 });
    expect(await named).toEqual([1]);
  });

  test("a message of many hundred KB arrives whole", async () => {
    const user = crypto.randomUUID();
    const socket = await connected(user);
    const text = "é€🐢".repeat(100_000);
    const received = once(socket, user);
    await gateway.post("/", { uuid: user, text });
    expect(await received).toEqual([{ text }]);
  });

  test("messages arrive once and in order while clients come and are upgraded", async () => {
    const user = crypto.randomUUID();
    const early = await connected(user);
    const clients = [record(early)];
    let next = 0;
    let isOver = false;
    const publishing = (async () => {
      while (!isOver || next < MESSAGES) {
        if (next % 3 === 0) await gateway.post("/", { uuid: user, n: next++ });
        const publications = Array.from({ length: 5 }, () => ({
          channel: user,
          event: user,
          data: { n: next++ },
        }));
        await gateway.post("/api/batch", { publications });
      }
    })();
    for (let index = 0; index < 8; index++) {
      const late = await connected(user);
      clients.push(record(late));
      if (options.transports === undefined) await upgraded(late);
    }
    isOver = true;
    await publishing;
    await gateway.post("/", { uuid: user, n: next++ });
    const ends = clients.map(({ socket }) => once(socket, "end"));
    await gateway.post("/api/publish", { channel: user, event: "end", data: 1 });
    await Promise.all(ends);
    expect(clients[0]?.numbers[0]).toBe(0);
    for (const { numbers } of clients) {
      const [first = next] = numbers;
      expect(numbers).toEqual(Array.from({ length: next - first }, (_, index) => first + index));
    }
    expect(clients.every(({ numbers }) => numbers.length > 0)).toBe(true);

    function record(socket: Socket): { socket: Socket; numbers: number[] } {
      const numbers: number[] = [];
      socket.on(user, ({ n }: { n: number }) => numbers.push(n));
      return { socket, numbers };
    }
  });
});

/** A raw client in the channel of its id, which moves from polling to WebSocket if it is to. */
async function rawSubscriber(user: string, way: string): Promise<EngineLink> {
  const http = gateway.engine(user);
  if (way !== "upgraded") {
    const link = await openLink(http, way === "polling" ? "polling" : "websocket");
    await link.send("40");
    expect(await link.next()).toStartWith("40{");
    return link;
  }
  const { sid } = await http.handshake();
  await http.post(sid, "40");
  expect((await http.poll(sid)).body).toStartWith("40{");
  const link = await WebSocketLink.attach(http, sid);
  await link.send("2probe");
  expect(await link.next()).toBe("3probe");
  await link.send("5");
  return link;
}

describe.each(["polling", "websocket", "upgraded"])("a client that is %s", (way) => {
  test.each(generations)(
    "gets the text of the %s request as it was written",
    async (_generation, path, member) => {
      const user = crypto.randomUUID();
      using link = await rawSubscriber(user, way);
      const text = VERBATIM.replace('"k":2', `"${member}":"${user}","k":2`);
      await gateway.post(path, text);
      expect(await link.next()).toBe(`42["${user}",${VERBATIM}]`);
    },
  );

  test("gets native data as it was written, also from a broadcast and a batch", async () => {
    const user = crypto.randomUUID();
    using link = await rawSubscriber(user, way);
    const publication = `{"channel":"${user}","event":"e","data":${VERBATIM}}`;
    await gateway.post("/api/publish", publication);
    await gateway.post("/api/batch", `{"publications":[${publication},${publication}]}`);
    await gateway.post("/api/broadcast", `{"channels":["${user}"],"event":"e","data":${VERBATIM}}`);
    for (let index = 0; index < 4; index++) expect(await link.next()).toBe(`42["e",${VERBATIM}]`);
  });

  test("gets data that looks like a placeholder of binary as plain data", async () => {
    const user = crypto.randomUUID();
    using link = await rawSubscriber(user, way);
    const data = '{"_placeholder":true,"num":0}';
    await gateway.post("/api/publish", `{"channel":"${user}","data":${data}}`);
    expect(await link.next()).toBe(`42["message",${data}]`);
  });
});

test("what was published before a disconnect still arrives, though both come at once", async () => {
  const user = crypto.randomUUID();
  const { publisherUrl, ca } = gateway.process;
  const links = await Promise.all(
    ["websocket", "websocket", "polling", "upgraded"].map((way) => rawSubscriber(user, way)),
  );
  const requests: [string, object][] = [
    ["/api/publish", { channel: user, data: "last words" }],
    ["/api/disconnect", { user }],
  ];
  const text = requests.map(([path, content], index) => {
    const body = JSON.stringify(content);
    const fields = [
      `Content-Length: ${body.length}`,
      ...(index === 1 ? ["Connection: close"] : []),
    ];
    return requestHead("POST", publisherUrl + path, fields) + body;
  });
  const answers = await rawCall(publisherUrl, ca, text.join(""));
  expect(answers).toContain('{"ok":true,"subscribers":4}');
  expect(answers).toContain('{"ok":true,"connections":4,');
  for (const link of links) {
    expect(await link.next()).toBe('42["message","last words"]');
    expect(await link.next()).toBe("41");
    await within(link.closed, "end of the session");
    link[Symbol.dispose]();
  }
});
