import { describe, expect, test } from "bun:test";
import { ErrorCode } from "./http3/errors.ts";
import { WebTransportServer } from "./server.ts";
import type { WebTransportSession } from "./session.ts";
import { hex, settle } from "./testing/bytes.ts";
import { CONNECT_FIELDS, CONTROL, headersFrame } from "./testing/fake-client.ts";
import { FakeConnection, FakeEndpoint } from "./testing/fake-quic.ts";
import { FakeTimers } from "./testing/fake-timers.ts";

function serverOf({ maxConnections = 10, banned = "" } = {}) {
  const endpoint = new FakeEndpoint();
  const timers = new FakeTimers();
  const sessions: WebTransportSession[] = [];
  const reports: unknown[] = [];
  const server = new WebTransportServer({
    endpoint,
    timers,
    maxConnections,
    admit: ({ hostname }) => {
      if (hostname === "broken") throw new Error(hostname);
      return hostname !== banned;
    },
    report: (error) => reports.push(error),
    handle: (request) => {
      const session = request.accept();
      if (session !== undefined) sessions.push(session);
    },
  });
  const connect = (hostname?: string) => {
    const quic = new FakeConnection(undefined, hostname);
    endpoint.connect(quic);
    return quic;
  };
  const open = async () => {
    const quic = connect().open();
    quic.unidirectional().send(CONTROL);
    const stream = quic.bidirectional();
    stream.receive.send(headersFrame(CONNECT_FIELDS));
    await settle();
    return { quic, stream };
  };
  return { server, endpoint, timers, sessions, reports, connect, open };
}

describe("a server", () => {
  test("is not held up by handshakes that are left half done", async () => {
    const { server, sessions, connect, open } = serverOf();
    connect();
    connect();
    await open();
    expect(sessions).toHaveLength(1);
    expect(server.connections).toBe(3);
  });

  test("closes handshakes that are left half done", async () => {
    const { server, timers, connect } = serverOf();
    const quic = connect();
    await settle();
    timers.advance(10_000);
    await settle();
    expect(quic.closedWith?.code).toBe(ErrorCode.H3_NO_ERROR);
    expect(server.connections).toBe(0);
  });

  test("refuses more connections than it has room for, and has room again when one ends", async () => {
    const { server, endpoint, sessions, open } = serverOf({ maxConnections: 1 });
    const { quic } = await open();
    await open();
    expect(endpoint.refused).toBe(1);
    expect(server.counters.connectionsRefused).toBe(1);
    quic.end();
    await settle();
    expect(server.connections).toBe(0);
    await open();
    expect(sessions).toHaveLength(2);
    expect(server.counters.connections).toBe(2);
  });

  test("does not admit whom it is told not to, and goes on when it is told nothing", async () => {
    const { server, reports, sessions, connect, open } = serverOf({ banned: "198.51.100.1" });
    const banned = connect("198.51.100.1").open();
    const broken = connect("broken").open();
    await settle();
    expect(banned.closedWith?.code).toBe(ErrorCode.H3_EXCESSIVE_LOAD);
    expect(broken.closedWith?.code).toBe(ErrorCode.H3_EXCESSIVE_LOAD);
    expect(reports).toEqual([new Error("broken")]);
    expect(server.connections).toBe(0);
    await open();
    expect(sessions).toHaveLength(1);
  });

  test("goes on when a client is gone before it is accepted", async () => {
    const { endpoint, sessions, open } = serverOf();
    endpoint.connectAndVanish();
    await open();
    expect(sessions).toHaveLength(1);
  });

  test("that closes ends the sessions, waits for the clients, and then closes the endpoint", async () => {
    const { server, endpoint, timers, sessions, connect, open } = serverOf();
    const { stream } = await open();
    const idle = connect().open();
    await settle();
    const closed = server.close({ closeCode: 4000, reason: "restart" });
    expect(server.close()).toBe(closed);
    await settle();
    expect(endpoint.isClosed).toBe(false);
    expect(idle.closedWith?.code).toBe(ErrorCode.H3_NO_ERROR);
    const late = connect();
    await settle();
    expect(endpoint.refused).toBe(1);
    expect(late.closedWith).toBeUndefined();
    stream.receive.finish();
    await settle();
    timers.advance(250);
    await closed;
    expect(endpoint.isClosed).toBe(true);
    expect(await sessions[0]?.closed).toEqual({
      closeCode: 4000,
      reason: "restart",
      isClean: true,
    });
  });

  test("that closes waits for no client that does not answer", async () => {
    const { server, endpoint, timers, open } = serverOf();
    await open();
    const closed = server.close();
    timers.advance(3_000);
    await closed;
    expect(endpoint.isClosed).toBe(true);
    expect(server.connections).toBe(0);
  });

  test("tells when those who are connected have gone, whoever has come meanwhile", async () => {
    const { server, connect } = serverOf();
    const first = connect().open();
    const second = connect().open();
    await settle();
    let isOver = false;
    void server.ended().then(() => {
      isOver = true;
    });
    connect().open();
    first.close(0, "");
    await settle();
    expect(isOver).toBe(false);
    second.close(0, "");
    await settle();
    expect(isOver).toBe(true);
    expect(server.connections).toBe(1);
  });

  test("counts what clients do against the rules", async () => {
    const { server, connect } = serverOf();
    connect().open().unidirectional().send(hex("01"));
    await settle();
    expect(server.counters.protocolErrors).toBe(1);
  });
});
