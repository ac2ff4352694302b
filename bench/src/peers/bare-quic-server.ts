/**
 * The peer `bare`, run by Deno: @starling/webtransport with no protocol of its own. What a session
 * sends as a datagram goes to all others of its topic. The address of a second, plain listener
 * answers how many datagrams came.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import process from "node:process";
import { setImmediate } from "node:timers";
import { SharedDatagram } from "@starling/webtransport/datagrams.ts";
import { DenoEndpoint, denoTimers } from "@starling/webtransport/deno.ts";
import { WebTransportServer } from "@starling/webtransport/server.ts";
import type { WebTransportSession } from "@starling/webtransport/session.ts";

/** Datagrams of one turn: after more, what clients acknowledge is lost on its way in. */
const SLICE = 64;

const topics = new Map<string, Set<WebTransportSession>>();
const sends: (() => void)[] = [];
let isSending = false;

function sendSlice(): void {
  for (const send of sends.splice(0, SLICE)) send();
  isSending = sends.length > 0;
  if (isSending) setImmediate(sendSlice);
}

function passOn(from: WebTransportSession, topic: Set<WebTransportSession>, bytes: Uint8Array) {
  const datagram = new SharedDatagram(bytes);
  for (const session of topic) {
    if (session !== from) sends.push(() => void session.sendDatagram(datagram));
  }
  if (isSending) return;
  isSending = true;
  setImmediate(sendSlice);
}

const { CERTIFICATE = "", KEY = "" } = process.env;
const server = new WebTransportServer({
  endpoint: new DenoEndpoint({
    hostname: "127.0.0.1",
    port: 0,
    cert: readFileSync(CERTIFICATE, "utf8"),
    key: readFileSync(KEY, "utf8"),
  }),
  timers: denoTimers,
  report: console.error,
  handle(request) {
    const name = new URLSearchParams(request.path.split("?", 2)[1]).get("topic") ?? "";
    const topic = topics.get(name) ?? new Set();
    topics.set(name, topic);
    const session = request.accept();
    if (session === undefined) return;
    topic.add(session);
    session.events = {
      datagram: (bytes) => passOn(session, topic, bytes),
      closed: () => {
        topic.delete(session);
        if (topic.size === 0) topics.delete(name);
      },
    };
  },
});
const counts = createServer((_request, response) => {
  response.end(String(server.counters.datagramsReceived));
});
counts.listen(0, "127.0.0.1", () => {
  const address = counts.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  for (const [msg, url] of [
    ["publisher API listening", `http://127.0.0.1:${port}`],
    ["subscriber listener listening", `https://127.0.0.1:${server.address.port}`],
  ]) {
    console.log(JSON.stringify({ msg, url }));
  }
});
