import { describe, expect, test } from "bun:test";
import { newCounters } from "./counters.ts";
import { Datagrams, SharedDatagram } from "./datagrams.ts";
import { settle, text, utf8 } from "./testing/bytes.ts";
import { FakeConnection } from "./testing/fake-quic.ts";

function datagramsOf({ session = 0, isEnabled = true, maxPending = 3 } = {}) {
  const quic = new FakeConnection();
  const counters = newCounters();
  const datagrams = new Datagrams({ quic, session, isEnabled, maxPending, counters });
  return { quic, counters, datagrams };
}

describe("datagrams that are sent", () => {
  test("carry the quarter of the session's id", () => {
    const { quic, datagrams } = datagramsOf({ session: 400 });
    datagrams.send(utf8("a"));
    expect(quic.datagrams).toEqual([Uint8Array.of(0x40, 100, 97)]);
    expect(datagrams.maxDatagramSize).toBe(1198);
  });

  test("are skipped while too many wait, and counted", async () => {
    const { quic, counters, datagrams } = datagramsOf();
    quic.hasRoom = false;
    const outcomes = Array.from({ length: 5 }, () => datagrams.send(utf8("a")));
    expect(outcomes).toEqual(["accepted", "accepted", "accepted", "skipped", "skipped"]);
    quic.release();
    expect(datagrams.send(utf8("a"))).toBe("accepted");
    quic.release(false);
    expect(counters.datagramsSent).toBe(3);
    expect(counters.datagramsSkipped).toBe(2);
    expect(counters.datagramsRefused).toBe(1);
  });

  test("may be as many as may wait in one turn, again in the next", async () => {
    const { counters, datagrams } = datagramsOf();
    for (let turn = 0; turn < 4; turn++) {
      for (let n = 0; n < 3; n++) datagrams.send(utf8("a"));
      await settle();
    }
    expect(counters.datagramsSent).toBe(12);
    expect(counters.datagramsSkipped).toBe(0);
  });

  test("are refused when they are too large, or the session takes none or is over", () => {
    const { quic, counters, datagrams } = datagramsOf();
    expect(datagrams.send(new Uint8Array(1199))).toBe("accepted");
    expect(datagrams.send(new Uint8Array(1200))).toBe("refused");
    datagrams.end();
    expect(datagrams.send(utf8("a"))).toBe("refused");
    expect(datagrams.maxDatagramSize).toBe(0);
    const disabled = datagramsOf({ isEnabled: false });
    expect(disabled.datagrams.send(utf8("a"))).toBe("refused");
    expect(disabled.datagrams.maxDatagramSize).toBe(0);
    expect(counters.datagramsRefused).toBe(2);
    expect(quic.datagrams).toHaveLength(1);
  });

  test("share one frame between sessions of the same id", () => {
    const shared = new SharedDatagram(utf8("a"));
    expect(shared.frameFor(0)).toBe(shared.frameFor(0));
    expect(shared.frameFor(0)).toEqual(Uint8Array.of(0, 97));
    expect(shared.frameFor(4)).toEqual(Uint8Array.of(1, 97));
    expect(shared.frameFor(0)).toEqual(Uint8Array.of(0, 97));
  });

  test("go through the web stream too", async () => {
    const { quic, datagrams } = datagramsOf();
    await datagrams.writable.getWriter().write(utf8("a"));
    expect(quic.datagrams).toEqual([Uint8Array.of(0, 97)]);
  });
});

describe("datagrams that come", () => {
  test("wait for the web stream, the oldest being dropped", async () => {
    const { counters, datagrams } = datagramsOf();
    for (let n = 0; n < 66; n++) datagrams.receive(utf8(`${n}`));
    const { value } = await datagrams.readable.getReader().read();
    expect(text(value ?? utf8("?"))).toBe("2");
    expect(counters.datagramsReceived).toBe(66);
    expect(counters.datagramsDropped).toBe(2);
  });
});
