import { expect, test } from "bun:test";
import { quicAnnounced } from "../peers/starling-quic.ts";
import { lost, unharmed } from "./webtransport.ts";

test("what is lost is counted in parts of a million", () => {
  expect(lost(1_000, 1_000)).toBe(0);
  expect(lost(1_000, 999)).toBe(1_000);
});

test("datagrams may be lost, and nothing else may happen to them", () => {
  const heard = { wrong: 0, closed: 0, deliveries: 9 };
  expect(() => unharmed("a", heard, 10)).not.toThrow();
  expect(() => unharmed("a", { ...heard, wrong: 1 }, 10)).toThrow("a: 1 WRONG");
  expect(() => unharmed("a", { ...heard, closed: 2 }, 10)).toThrow("a: 2 DISCONNECTED");
  expect(() => unharmed("a", heard, 8)).toThrow("a: 1 TOO MANY");
});

test("a gateway has announced itself when both its address and its quic worker are known", () => {
  const started = {
    msg: "started",
    publisherUrl: "https://localhost:1",
    subscriberUrl: "https://localhost:2",
  };
  expect(quicAnnounced(JSON.stringify(started))).toEqual({
    publisher: new URL("https://127.0.0.1:1"),
  });
  const listening = { msg: "WebTransport listening", port: 2 };
  expect(quicAnnounced(JSON.stringify(listening))).toEqual({
    subscriber: new URL("https://127.0.0.1:2"),
  });
  expect(quicAnnounced("{}")).toEqual({});
});
