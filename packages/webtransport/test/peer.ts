/**
 * The server that the tests meet, run by Deno: what a path asks for, it does. It prints what happens
 * as lines of JSON, and takes commands as lines of text.
 *
 * Usage: deno run --unstable-net --allow-net --allow-read --v8-flags=--expose-gc peer.ts CERT KEY PORT IDLE_MS
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { DenoEndpoint, denoTimers } from "../src/deno.ts";
import type { WebTransportRequest } from "../src/request.ts";
import { WebTransportServer } from "../src/server.ts";
import type { WebTransportSession } from "../src/session.ts";
import type { BidirectionalStream, ReceiveStream } from "../src/streams.ts";

const [certFile = "", keyFile = "", port = "0", idleMs = "3000"] = process.argv.slice(2);
const sessions = new Set<WebTransportSession>();
const decoder = new TextDecoder();
const encoder = new TextEncoder();

function print(event: string, fields: object = {}): void {
  console.log(JSON.stringify({ event, ...fields }));
}

/** Reads a line, or to the end: Deno's client cannot end its streams. */
async function readAll(stream: ReceiveStream): Promise<{ text: string; end: string }> {
  let text = "";
  let bytes = await stream.read(new Uint8Array(256));
  while (typeof bytes !== "string") {
    text += decoder.decode(bytes);
    if (text.endsWith("\n")) return { text: text.trimEnd(), end: "line" };
    bytes = await stream.read(new Uint8Array(bytes.buffer));
  }
  return { text, end: bytes };
}

async function echo({ receive, send }: BidirectionalStream): Promise<void> {
  let bytes = await receive.read(new Uint8Array(1024));
  while (typeof bytes !== "string" && (await send.write(bytes.slice()))) {
    bytes = await receive.read(new Uint8Array(bytes.buffer));
  }
  await send.finish();
}

/** Answers a stream of one direction by one of the other. */
async function answer(session: WebTransportSession, stream: ReceiveStream): Promise<void> {
  print("incoming stream");
  const { text, end } = await readAll(stream);
  print("unidirectional", { text, end });
  const reply = await session.createUnidirectionalStream();
  await reply?.write(encoder.encode(text.toUpperCase()));
  await reply?.finish();
}

/** Asks over a stream of the server, and says what came back. */
async function ask(session: WebTransportSession, question: string): Promise<void> {
  const stream = await session.createBidirectionalStream();
  if (stream === undefined) return print("no stream");
  await stream.send.write(encoder.encode(question));
  await stream.send.finish();
  print("answer", await readAll(stream.receive));
}

function obey(session: WebTransportSession, datagram: Uint8Array): void {
  const [command = "", argument = "", rest = ""] = decoder.decode(datagram).split("|");
  if (command === "close") session.close({ closeCode: Number(argument), reason: rest });
  else if (command === "ask") void ask(session, argument);
  else if (command === "drain") session.drain();
  else session.sendDatagram(datagram);
}

/** The same as /echo, through the web streams. */
async function echoInWebStreams(session: WebTransportSession): Promise<void> {
  const { readable, writable } = session.datagrams;
  void readable.pipeTo(writable);
  for await (const stream of session.incomingBidirectionalStreams) {
    stream.readable.pipeTo(stream.writable).catch((error) => print("pipe", { error: `${error}` }));
  }
  const { closeCode, reason, isClean } = await session.closed;
  print("closed", { closeCode, reason, isClean });
}

function handle(request: WebTransportRequest): undefined {
  const { path, authority, headers, remoteAddress } = request;
  print("request", { path, authority, headers, address: remoteAddress.hostname });
  const status = /^\/status\/(\d+)/.exec(path)?.[1];
  if (status !== undefined) {
    request.reject(Number(status));
    return;
  }
  const session = request.accept();
  if (session === undefined) return;
  sessions.add(session);
  void session.closed.then(() => sessions.delete(session));
  if (path === "/web-streams") {
    void echoInWebStreams(session);
    return;
  }
  session.events = {
    datagram: (datagram) => obey(session, datagram),
    bidirectionalStream: (stream) => void echo(stream),
    unidirectionalStream: (stream) => void answer(session, stream),
    draining: () => print("draining"),
    closed: (end) => print("closed", { ...end }),
  };
}

const server = new WebTransportServer({
  endpoint: new DenoEndpoint({
    hostname: "127.0.0.1",
    port: Number(port),
    cert: readFileSync(certFile, "utf8"),
    key: readFileSync(keyFile, "utf8"),
    maxIdleTimeoutMs: Number(idleMs),
    keepAliveIntervalMs: 1_000,
  }),
  timers: denoTimers,
  report: (error) => print("error", { error: `${error}` }),
  handle,
});
print("listening", { port: server.address.port });

const collect: unknown = Reflect.get(globalThis, "gc");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "gc" && typeof collect === "function") {
    for (let round = 0; round < 3; round++) collect();
    print("collected");
  } else if (line === "stats") {
    const openStreams = [...sessions].reduce((sum, session) => sum + session.openStreams, 0);
    const { connections, counters } = server;
    print("stats", { connections, sessions: sessions.size, openStreams, counters });
  } else if (line === "stop") {
    await server.close({ closeCode: 4000, reason: "server is shutting down" });
    process.exit(0);
  }
}
