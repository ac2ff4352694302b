import { expect, test } from "bun:test";
import { natsAnnounced } from "./nats.ts";
import { natsClientsAnnounced } from "./nats-mesh.ts";
import { nginxAnnounced } from "./nchan.ts";
import { gatewayAnnounced } from "./starling.ts";

test("nats-server's WebSocket address is found in its log, and not the one of plain NATS", () => {
  const url = new URL("https://127.0.0.1:37513/");
  const line = "[7] 2026/11/22 00:29:51 [INF] Listening for";
  expect(natsAnnounced(`${line} websocket clients on wss://127.0.0.1:37513`)).toEqual({
    publisher: url,
    subscriber: url,
  });
  expect(natsAnnounced(`${line} client connections on 127.0.0.1:43161`)).toEqual({});
});

test("nats-server's address for clients is found in its log, and no other", () => {
  const url = new URL("nats://127.0.0.1:43161");
  const line = "[7] 2026/11/22 00:29:51 [INF] Listening for";
  expect(natsClientsAnnounced(`${line} client connections on 127.0.0.1:43161`)).toEqual({
    publisher: url,
    subscriber: url,
  });
  expect(natsClientsAnnounced(`${line} websocket clients on wss://127.0.0.1:37513`)).toEqual({});
});

test("the gateway listens once all of it has started", () => {
  const line = (msg: string): string =>
    JSON.stringify({
      msg,
      publisherUrl: "https://localhost:41",
      subscriberUrl: "https://[::1]:42",
    });
  expect(gatewayAnnounced(line("publisher API listening"))).toEqual({});
  expect(gatewayAnnounced("plain text")).toEqual({});
  expect(gatewayAnnounced(line("started"))).toEqual({
    publisher: new URL("https://127.0.0.1:41"),
    subscriber: new URL("https://[::1]:42"),
  });
});

test("nginx listens once it starts a worker", () => {
  const url = new URL("https://127.0.0.1:8443/");
  expect(nginxAnnounced("2026/11/22 [notice] 1#1: start worker process 31770", 8443)).toEqual({
    publisher: url,
    subscriber: url,
  });
  expect(nginxAnnounced("2026/11/22 [notice] 1#1: start worker processes", 8443)).toEqual({});
});
