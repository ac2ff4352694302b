import { describe, expect, test } from "bun:test";
import { MAX_DATAGRAM_BYTES } from "@starling/protocol/signalling/datagrams.ts";
import { SocketFixture } from "../testing/socket-fixture.ts";

describe("a socket of version 1", () => {
  test("is open at once, and has a message for each datagram", () => {
    const { session, handler } = new SocketFixture().datagramSocket();
    session.events.datagram?.(new TextEncoder().encode("hello"));
    expect(handler.told).toEqual(["opened", "message hello"]);
  });

  test("drops what fits no datagram, and counts it", () => {
    const fixture = new SocketFixture();
    const { session, socket } = fixture.datagramSocket();
    socket.send("x".repeat(MAX_DATAGRAM_BYTES + 1));
    socket.send("y".repeat(MAX_DATAGRAM_BYTES));
    fixture.turn();
    expect(session.datagrams.map(({ length }) => length)).toEqual([MAX_DATAGRAM_BYTES]);
    expect(fixture.counters.datagramsTooLarge).toBe(1);
  });

  test("drops what is too much to wait, and counts it, but never lags", () => {
    const fixture = new SocketFixture();
    const { session, socket } = fixture.datagramSocket();
    for (let count = 0; count < 300; count++) expect(socket.send(`${count}`)).toBeGreaterThan(0);
    expect(socket.getBufferedAmount()).toBe(0);
    while (fixture.turn());
    expect(session.datagrams.length).toBe(256);
    expect(fixture.counters.datagramsOverflowed).toBe(44);
  });

  test("answers pings by itself, since QUIC does", () => {
    const { socket, handler } = new SocketFixture().datagramSocket();
    socket.ping();
    expect(handler.told).toContain("ponged 0");
  });

  test("takes no streams", () => {
    const { session } = new SocketFixture().datagramSocket();
    const stream = session.open();
    expect([stream.isCancelled, stream.isFinished]).toEqual([true, true]);
  });

  test("loses the connection where its client is to come back, and says why where it is not", () => {
    const fixture = new SocketFixture();
    const [back, gone] = [fixture.datagramSocket(), fixture.datagramSocket()];
    back.socket.close(1013, "server is shutting down");
    expect([back.session.isTerminated, back.session.closedWith]).toEqual([true, undefined]);
    gone.socket.close(4500, "bye");
    expect(gone.session.closedWith).toEqual({ closeCode: 4500, reason: "bye" });
    expect(gone.handler.told).toEqual(["opened", "closed 4500"]);
  });
});

describe("a client that has promised signs of life", () => {
  const HEARTBEAT_MS = 1_000;

  test("is sent nothing while they are late, and again once it is heard", () => {
    const fixture = new SocketFixture();
    const { session, socket } = fixture.datagramSocket(HEARTBEAT_MS);
    const send = (text: string) => {
      socket.send(text);
      fixture.turn();
    };
    fixture.clock.advance(HEARTBEAT_MS + 1_500);
    send("in time");
    fixture.clock.advance(1);
    send("late");
    expect(session.datagrams).toEqual(["in time"]);
    expect(fixture.counters.datagramsWithheld).toBe(1);
    session.events.datagram?.(new Uint8Array(1));
    send("again");
    expect(session.datagrams).toEqual(["in time", "again"]);
  });

  test("is not asked for them where it has promised none", () => {
    const fixture = new SocketFixture();
    const { session, socket } = fixture.datagramSocket();
    fixture.clock.advance(100_000);
    socket.send("hello");
    fixture.turn();
    expect(session.datagrams).toEqual(["hello"]);
  });
});
