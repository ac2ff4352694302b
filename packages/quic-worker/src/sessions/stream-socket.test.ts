import { describe, expect, test } from "bun:test";
import {
  joinMessages,
  MAX_DATAGRAM_BYTES,
  splitMessages,
} from "@starling/protocol/signalling/datagrams.ts";
import type { FakeSession } from "../testing/fake-session.ts";
import { SocketFixture } from "../testing/socket-fixture.ts";
import { Outgoing } from "./outgoing.ts";

const framed = (text: string) =>
  new Outgoing(new TextEncoder().encode(text)).framed.slice() as Uint8Array<ArrayBuffer>;

/** The messages of each datagram that was sent. */
function messagesIn({ payloads }: FakeSession): string[][] {
  return payloads.map((payload) => {
    const messages: string[] = [];
    splitMessages(payload, (message) => messages.push(new TextDecoder().decode(message)));
    return messages;
  });
}

describe("a socket of version 2", () => {
  test("is open when its client has opened a stream", async () => {
    const fixture = new SocketFixture();
    const { session, handler } = fixture.streamSocket();
    expect(handler.told).toEqual([]);
    const stream = session.open();
    stream.push(framed("hello"));
    await fixture.settle();
    session.events.datagram?.(new TextEncoder().encode("fast"));
    expect(handler.told).toEqual(["opened", "message hello", "message fast"]);
  });

  test("takes datagrams that overtook the stream, in their order and before what it brings", async () => {
    const fixture = new SocketFixture();
    const { session, handler } = fixture.streamSocket();
    const early = ["0", "1", "2"].map((text) => Buffer.from(text));
    session.events.datagram?.(joinMessages(early.slice(0, 1)));
    session.events.datagram?.(joinMessages(early.slice(1)));
    expect(handler.told).toEqual([]);
    const stream = session.open();
    stream.push(framed("3"));
    await fixture.settle();
    const numbers = [0, 1, 2, 3].map((number) => `message ${number}`);
    expect(handler.told).toEqual(["opened", ...numbers]);
    session.close();
    expect(fixture.counters.datagramsEarly).toBe(0);
  });

  test("keeps few datagrams until then, and counts the others and those of nobody", () => {
    const fixture = new SocketFixture();
    const [open, silent] = [fixture.streamSocket(), fixture.streamSocket()];
    for (const { session } of [open, silent]) {
      for (let number = 0; number < 20; number++) {
        session.events.datagram?.(Buffer.from(`${number}`));
      }
    }
    expect(fixture.counters.datagramsEarly).toBe(8);
    open.session.open();
    expect(open.handler.told.length).toBe(17);
    expect(open.handler.told.at(-1)).toBe("message 15");
    fixture.clock.advance(3_000);
    expect(silent.handler.told).toEqual([]);
    expect(fixture.counters.datagramsEarly).toBe(24);
  });

  test("takes no early datagram behind one that ends the session", () => {
    const { session, handler } = new SocketFixture().streamSocket();
    handler.onMessage = () => handler.socket?.close(4005, "limit exceeded");
    for (const text of ["1", "2"]) session.events.datagram?.(Buffer.from(text));
    session.open();
    expect(handler.told).toEqual(["opened", "message 1"]);
  });

  test("ends where its client opens none in time", () => {
    const fixture = new SocketFixture();
    const { session, handler } = fixture.streamSocket();
    fixture.clock.advance(3_000);
    expect(session.closedWith).toEqual({ closeCode: 4003, reason: "authentication timeout" });
    expect(handler.told).toEqual([]);
  });

  test("takes no second stream", () => {
    const { session } = new SocketFixture().openStreamSocket();
    expect(session.open().isCancelled).toBe(true);
  });

  test("writes what is sent within a turn at once, and in order", async () => {
    const fixture = new SocketFixture();
    const { socket, stream } = fixture.openStreamSocket();
    for (const text of ["1", "2", "3"]) socket.send(text);
    await fixture.settle();
    expect([stream.written.length, stream.messages]).toEqual([1, ["1", "2", "3"]]);
  });

  test("sends what may be lost as a datagram, unless it is too large for one", async () => {
    const fixture = new SocketFixture();
    const { session, socket, stream } = fixture.openStreamSocket();
    const large = "x".repeat(MAX_DATAGRAM_BYTES + 1);
    socket.sendUnreliable("small");
    socket.sendUnreliable(large);
    await fixture.settle();
    expect([session.datagrams, stream.messages]).toEqual([["small"], [large]]);
  });

  test("puts what may be lost and is sent within a turn into as few datagrams as hold it", () => {
    const fixture = new SocketFixture();
    const { session, socket } = fixture.openStreamSocket();
    for (const text of ["1", "2", "3"]) socket.sendUnreliable(text);
    fixture.turn();
    socket.sendUnreliable("4");
    fixture.turn();
    expect(messagesIn(session)).toEqual([["1", "2", "3"], ["4"]]);
    const large = "x".repeat(MAX_DATAGRAM_BYTES);
    for (const text of ["5", "6", large, "7"]) socket.sendUnreliable(text);
    fixture.turn();
    expect(messagesIn(session).slice(2)).toEqual([["5", "6"], [large], ["7"]]);
    expect(fixture.turn()).toBe(false);
  });

  test("puts the same messages for many sessions together once", () => {
    const fixture = new SocketFixture();
    const members = [1, 2, 3].map(() => fixture.openStreamSocket());
    const [first, , last] = members;
    for (const { socket } of members) socket.subscribe("a");
    for (const text of ["1", "2"]) fixture.fanout.publishUnreliable("a", text);
    last?.socket.sendUnreliable("3");
    fixture.turn();
    const payloads = members.map(({ session }) => session.payloads[0]);
    expect(payloads[1]).toBe(payloads[0]);
    expect(first && messagesIn(first.session)).toEqual([["1", "2"]]);
    expect(last && messagesIn(last.session)).toEqual([["1", "2", "3"]]);
  });

  test("takes several messages in one datagram, and none behind one that ends the session", () => {
    const { session, socket, handler } = new SocketFixture().openStreamSocket();
    const of = (...texts: string[]) => joinMessages(texts.map((text) => Buffer.from(text)));
    session.events.datagram?.(of("1", "2"));
    expect(handler.told).toEqual(["opened", "message 1", "message 2"]);
    handler.onMessage = (text) => text === "3" && socket.close(4005, "limit exceeded");
    session.events.datagram?.(of("3", "4"));
    expect(handler.told.slice(3)).toEqual(["message 3"]);
  });

  test("waits for QUIC, says how much waits, and when nothing does any more", async () => {
    const fixture = new SocketFixture();
    const { socket, stream, handler } = fixture.openStreamSocket();
    stream.isBlocked = true;
    expect(socket.send("1")).toBe(1);
    await fixture.settle();
    expect(socket.send("2")).toBe(-1);
    expect(socket.getBufferedAmount()).toBe(10);
    stream.takeAll();
    await fixture.settle();
    stream.takeAll();
    await fixture.settle();
    expect(stream.messages).toEqual(["1", "2"]);
    expect(socket.getBufferedAmount()).toBe(0);
    expect(handler.told.at(-1)).toBe("drained");
  });

  test("drops what is sent to a client that does not read, so that it is cut off", async () => {
    const fixture = new SocketFixture();
    const { socket, stream } = fixture.openStreamSocket();
    stream.isBlocked = true;
    expect(socket.send("x".repeat(1_000))).toBe(1_000);
    expect(socket.send("y")).toBe(0);
    stream.takeAll();
    await fixture.settle();
    expect(stream.messages.length).toBe(1);
  });

  test("lets its client read the last messages before it says why it closes", async () => {
    const fixture = new SocketFixture();
    const { session, socket, stream, handler } = fixture.openStreamSocket();
    socket.send("last words");
    socket.close(4005, "limit exceeded");
    expect(socket.send("too late")).toBe(0);
    stream.push(framed("too late"));
    await fixture.settle();
    expect([stream.messages, stream.isFinished]).toEqual([["last words"], true]);
    expect(session.closedWith).toBeUndefined();
    stream.push("finished");
    await fixture.settle();
    expect(session.closedWith).toEqual({ closeCode: 4005, reason: "limit exceeded" });
    expect(handler.told).not.toContain("message too late");
  });

  test("closes a client that does not end its stream after a moment", async () => {
    const fixture = new SocketFixture();
    const { session, socket } = fixture.openStreamSocket();
    socket.close(4000, "bye");
    fixture.clock.advance(499);
    expect(session.closedWith).toBeUndefined();
    fixture.clock.advance(1);
    expect(session.closedWith).toEqual({ closeCode: 4000, reason: "bye" });
  });

  test("ends with the stream of its client", async () => {
    const fixture = new SocketFixture();
    const { session, stream, handler } = fixture.openStreamSocket();
    stream.push("finished");
    await fixture.settle();
    expect(session.closedWith).toMatchObject({ closeCode: 1000 });
    expect(handler.told).toEqual(["opened", "closed 1000"]);
  });

  test("closes a client whose message is too big, before that is there", async () => {
    const fixture = new SocketFixture();
    const { session, stream } = fixture.openStreamSocket();
    stream.push(new Uint8Array([0, 0, 0x13, 0x89]));
    await fixture.settle();
    stream.push("finished");
    await fixture.settle();
    expect(session.closedWith).toMatchObject({ closeCode: 1009 });
  });
});
