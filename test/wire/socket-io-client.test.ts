/** The stock JavaScript client against the server, over each way to connect that it offers. */

import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { io, type Socket } from "socket.io-client";
import { patience, within } from "../support/deadline.ts";
import { type ProtocolApp, runningProtocolApp, startProtocolApp } from "../support/protocol-app.ts";
import { bytes, type ClientOptions, once, upgraded, ways } from "../support/stock-client.ts";

setDefaultTimeout(60_000);

let app: ProtocolApp;
const sockets: Socket[] = [];

beforeAll(async () => {
  app = await startProtocolApp("socket");
});

afterAll(() => app?.kill());

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.disconnect();
});

/** A client of its own that the end of the test disconnects. */
function client(options: ClientOptions, namespace = "/", url = app.url): Socket {
  const socket = io(`${url}${namespace}`, { forceNew: true, reconnection: false, ...options });
  sockets.push(socket);
  return socket;
}

async function connected(options: ClientOptions, namespace = "/", url = app.url): Promise<Socket> {
  const socket = client(options, namespace, url);
  await once(socket, "connect");
  return socket;
}

describe.each(ways)("a client over %s", (_way, options) => {
  test("connects and gets an id", async () => {
    const socket = client(options);
    const auth = once(socket, "auth");
    await once(socket, "connect");
    expect(socket.connected).toBe(true);
    expect(socket.id).toBeString();
    expect(await auth).toEqual([{}]);
  });

  test("hands over its auth payload", async () => {
    const socket = client({ ...options, auth: { token: "123", list: [1, 2] } });
    expect(await once(socket, "auth")).toEqual([{ token: "123", list: [1, 2] }]);
  });

  test("gets its text arguments back", async () => {
    const socket = await connected(options);
    const answer = once(socket, "message-back");
    socket.emit("message", 1, "2", { 3: [true, null] }, "€ żółw 🐢");
    expect(await answer).toEqual([1, "2", { 3: [true, null] }, "€ żółw 🐢"]);
  });

  test("gets its binary arguments back", async () => {
    const socket = await connected(options);
    const answer = once(socket, "message-back");
    socket.emit("message", Uint8Array.of(1, 2, 3), "text", Uint8Array.of(0, 255));
    const [first, text, second] = await answer;
    expect(bytes(first)).toEqual([1, 2, 3]);
    expect(text).toBe("text");
    expect(bytes(second)).toEqual([0, 255]);
  });

  test("gets a large binary argument back", async () => {
    const socket = await connected(options);
    const sent = Uint8Array.from({ length: 200_000 }, (_, index) => index * 31);
    const answer = once(socket, "message-back");
    socket.emit("message", sent);
    const [received] = await answer;
    expect(Bun.hash(Uint8Array.from(bytes(received)))).toBe(Bun.hash(sent));
  });

  test("gets many events back in order", async () => {
    const socket = await connected(options);
    const received: unknown[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on("message-back", (number: unknown) => {
      received.push(number);
      if (received.length === 300) resolve();
    });
    const sent = Array.from({ length: 300 }, (_, index) => index);
    for (const number of sent) socket.emit("message", number);
    await within(promise, "300 events");
    expect(received).toEqual(sent);
  });

  test("gets acknowledgements, text and binary", async () => {
    const socket = await connected(options);
    const text = await socket.timeout(patience).emitWithAck("message-with-ack", "hello");
    expect(text).toBe("hello");
    const binary: unknown = await socket
      .timeout(patience)
      .emitWithAck("message-with-ack", Uint8Array.of(4, 5, 6));
    expect(bytes(binary)).toEqual([4, 5, 6]);
  });

  test("reports an acknowledgement that never comes", async () => {
    const socket = await connected(options);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    socket.timeout(50).emit("nobody-knows-this", (error: unknown) => resolve(error));
    expect(await within(promise, "acknowledgement timeout")).toBeInstanceOf(Error);
    expect(await socket.timeout(patience).emitWithAck("message-with-ack", "after")).toBe("after");
  });

  test("may emit volatile events", async () => {
    const socket = await connected(options);
    // A volatile event is lost while the transport is busy, so it is repeated until one arrives.
    const answer = once(socket, "message-back");
    const repeat = setInterval(() => socket.volatile.emit("message", "volatile"), 20);
    try {
      expect(await answer).toEqual(["volatile"]);
    } finally {
      clearInterval(repeat);
    }
  });

  test("connects to another namespace", async () => {
    const socket = client({ ...options, auth: { token: "abc" } }, "/custom");
    expect(await once(socket, "auth")).toEqual([{ token: "abc" }]);
  });

  test("shares one connection between namespaces", async () => {
    const main = await connected(options);
    const custom = main.io.socket("/custom", { auth: { token: "abc" } });
    sockets.push(custom);
    expect(await once(custom, "auth")).toEqual([{ token: "abc" }]);
    expect(custom.id).not.toBe(main.id);
    custom.disconnect();
    expect(await main.timeout(patience).emitWithAck("message-with-ack", "main")).toBe("main");
  });

  test("is told that a namespace does not exist", async () => {
    const socket = client(options, "/random");
    const [error] = await once(socket, "connect_error");
    expect(error).toBeInstanceOf(Error);
    expect(error).toHaveProperty("message", "Invalid namespace");
    expect(socket.connected).toBe(false);
  });

  test("disconnects and connects again with a new id", async () => {
    const socket = await connected(options);
    const before = socket.id;
    const reason = once(socket, "disconnect");
    socket.disconnect();
    expect((await reason)[0]).toBe("io client disconnect");
    const again = once(socket, "connect");
    socket.connect();
    await again;
    expect(socket.id).not.toBe(before);
    expect(await socket.timeout(patience).emitWithAck("message-with-ack", "new")).toBe("new");
  });

  test("learns that the server has closed the connection", async () => {
    const socket = await connected(options);
    const reason = once(socket, "disconnect");
    // The engine sends the text unchanged, and the server closes upon a packet of unknown type.
    socket.io.engine.write("abc");
    expect(["transport close", "transport error"]).toContain(String((await reason)[0]));
    expect(socket.connected).toBe(false);
  });

  test("stays connected over many heartbeats", async () => {
    const socket = await connected(options);
    const { id } = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    let pings = 0;
    socket.io.on("ping", () => {
      pings += 1;
      if (pings === 5) resolve();
    });
    await within(promise, "five pings", 2 * patience);
    expect(await socket.timeout(patience).emitWithAck("message-with-ack", "alive")).toBe("alive");
    expect(socket.id).toBe(id);
  });

  test.skipIf(runningProtocolApp("socket") !== undefined)(
    "finds its way back after the server was killed and started again",
    async () => {
      const first = await startProtocolApp("socket");
      try {
        const socket = await connected(
          { ...options, reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 },
          "/",
          first.url,
        );
        const before = socket.id;
        const gone = once(socket, "disconnect");
        await first.kill();
        expect(["transport close", "transport error", "ping timeout"]).toContain(
          String((await gone)[0]),
        );
        const back = once(socket, "connect", 4 * patience);
        const second = await startProtocolApp("socket", first.port);
        try {
          await back;
          expect(socket.id).not.toBe(before);
          const echo = await socket.timeout(patience).emitWithAck("message-with-ack", "back");
          expect(echo).toBe("back");
        } finally {
          socket.disconnect();
          await second.kill();
        }
      } finally {
        await first.kill();
      }
    },
  );
});

describe("a client that starts on polling", () => {
  test("is upgraded to WebSocket and loses nothing meanwhile", async () => {
    const socket = client({});
    const received: unknown[] = [];
    socket.on("message-back", (number: unknown) => received.push(number));
    const sent: number[] = [];
    await once(socket, "connect");
    const repeat = setInterval(() => {
      sent.push(sent.length);
      socket.emit("message", sent.length - 1);
    }, 1);
    try {
      await upgraded(socket);
    } finally {
      clearInterval(repeat);
    }
    expect(socket.io.engine.transport.name).toBe("websocket");
    expect(await socket.timeout(patience).emitWithAck("message-with-ack", "last")).toBe("last");
    expect(received).toEqual(sent);
  });
});
