/** Chromium against the server, which runs in Deno. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../../../test/support/chromium.ts";
import { within } from "../../../test/support/deadline.ts";
import { ServerCertificate } from "../../../test/support/server-certificate.ts";
import { certificateHash, PeerServer } from "./peer-process.ts";

setDefaultTimeout(60_000);

/** What each page has: a session, and the means to use it. */
const SCRIPT = `<!doctype html><title>WebTransport</title><script>
const decoder = new TextDecoder(), encoder = new TextEncoder();
let session, writer, reader;
async function open(url, hash) {
  const value = Uint8Array.from(atob(hash), (character) => character.charCodeAt(0));
  session = new WebTransport(url, { serverCertificateHashes: [{ algorithm: "sha-256", value }] });
  session.closed.catch(() => {});
  // A page that is given little of the processor loses none of them.
  const patient = { incomingHighWaterMark: 100, incomingMaxAge: 60_000, outgoingMaxAge: 60_000 };
  Object.assign(session.datagrams, patient);
  await session.ready;
  writer = session.datagrams.writable.getWriter();
  reader = session.datagrams.readable.getReader();
  return "ready";
}
const tell = (text) => writer.write(encoder.encode(text));
const hear = async () => decoder.decode((await reader.read()).value);
const ended = async () => {
  try { const { closeCode, reason } = await session.closed; return { closeCode, reason }; }
  catch (error) { return String(error); }
};
async function send(writable, text) {
  const writer = writable.getWriter();
  await writer.write(encoder.encode(text));
  await writer.close();
}
async function ask(text) {
  const stream = await session.createBidirectionalStream();
  await send(stream.writable, text);
  return new Response(stream.readable).text();
}
async function news(text) {
  await send(await session.createUnidirectionalStream(), text);
  const reader = session.incomingUnidirectionalStreams.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return new Response(value).text();
}
async function answerOne() {
  const reader = session.incomingBidirectionalStreams.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  await send(value.writable, (await new Response(value.readable).text()) + "!");
}
</script>`;

const certificate = new ServerCertificate();
const hash = certificateHash(certificate);
let server: PeerServer;
let site: Bun.Server<undefined>;
let browser: Browser;
const pages: Page[] = [];

beforeAll(async () => {
  server = await PeerServer.start(certificate);
  const headers = { "content-type": "text/html" };
  site = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(SCRIPT, { headers }),
  });
  browser = await launchChromium(readFileSync(certificate.certFile, "utf8"));
});

afterEach(async () => {
  for (const page of pages.splice(0)) await page.context().close();
  await server.idle();
  server.forget();
});

afterAll(async () => {
  await browser?.close();
  await server?.kill();
  await site?.stop(true);
  certificate[Symbol.dispose]();
});

async function newPage(): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  pages.push(page);
  await page.goto(site.url.href);
  return page;
}

function open(page: Page, path: string, peer = server): Promise<unknown> {
  return page.evaluate(`open("${peer.url(path)}", "${hash}")`);
}

async function opened(path = "/echo"): Promise<Page> {
  const page = await newPage();
  await open(page, path);
  return page;
}

test("the server sees the origin of the page", async () => {
  await opened("/echo?key=%C3%A4");
  const { path, authority, headers } = await server.next("request");
  expect(path).toBe("/echo?key=%C3%A4");
  expect(authority).toBe(`127.0.0.1:${server.port}`);
  expect(headers).toContainEqual(["origin", site.url.origin]);
});

test.each(["/echo", "/web-streams"])("datagrams go both ways at %s", async (path) => {
  const page = await opened(path);
  for (const text of ["hello", "grüße", "x".repeat(1000)]) {
    await page.evaluate(`tell("${text}")`);
    expect(await page.evaluate("hear()")).toBe(text);
  }
});

test.each(["/echo", "/web-streams"])("a stream of the page is answered at %s", async (path) => {
  const page = await opened(path);
  const text = "0123456789".repeat(10_000);
  expect(await page.evaluate(`ask("${text}")`)).toBe(text);
  expect(await page.evaluate('ask("short")')).toBe("short");
});

test("streams of one direction go both ways", async () => {
  const page = await opened();
  expect(await page.evaluate('news("hello")')).toBe("HELLO");
  expect(await server.next("unidirectional")).toMatchObject({ text: "hello", end: "finished" });
});

test("a stream of the server is answered by the page", async () => {
  const page = await opened();
  await page.evaluate('tell("ask|question")');
  await page.evaluate("answerOne()");
  expect(await server.next("answer")).toMatchObject({ text: "question!" });
});

test("a stream that the page breaks off is broken off at the server", async () => {
  const page = await opened();
  await page.evaluate(`(async () => {
    writer = (await session.createUnidirectionalStream()).getWriter();
    await writer.write(encoder.encode("half"));
  })()`);
  // A stream that is broken off earlier may never say which session it is of.
  await server.next("incoming stream");
  await page.evaluate('writer.abort("no more")');
  expect(await server.next("unidirectional")).toMatchObject({ end: "reset" });
});

test("300 streams are answered while garbage is collected all the time", async () => {
  // Busy with its garbage, it must not take its client for gone.
  const server = await PeerServer.start(certificate, 0, 60_000);
  await using _ = { [Symbol.asyncDispose]: () => server.kill() };
  const page = await newPage();
  await open(page, "/echo", server);
  let isDone = false;
  const asking = (async () => {
    for (let round = 0; round < 30; round++) {
      const answers = await page.evaluate(
        `Promise.all(Array.from({ length: 10 }, (_, n) => ask("stream " + (${round} * 10 + n))))`,
      );
      expect(answers).toEqual(Array.from({ length: 10 }, (_, n) => `stream ${round * 10 + n}`));
    }
    isDone = true;
  })();
  while (!isDone) await Promise.race([asking, server.collect()]);
  await asking;
  await page.evaluate('tell("still here")');
  expect(await page.evaluate("hear()")).toBe("still here");
  expect(await server.stats()).toMatchObject({ openStreams: 0 });
});

test("a session that nobody uses outlives the garbage collection", async () => {
  const page = await opened();
  for (let round = 0; round < 10; round++) {
    await server.collect();
    await Bun.sleep(50);
  }
  expect(await page.evaluate('ask("hello")')).toBe("hello");
});

test("the server ends a session with code and reason", async () => {
  const page = await opened();
  await page.evaluate('tell("close|4711|bye, grüße")');
  const end = { closeCode: 4711, reason: "bye, grüße" };
  expect(await page.evaluate("ended()")).toEqual(end);
  expect(await server.next("closed")).toEqual({ event: "closed", ...end, isClean: true });
});

test("the page ends a session with code and reason", async () => {
  const page = await opened();
  await page.evaluate('session.close({ closeCode: 99, reason: "done, grüße" })');
  const end = { closeCode: 99, reason: "done, grüße", isClean: true };
  expect(await server.next("closed")).toEqual({ event: "closed", ...end });
});

test("a page that is refused learns that, and not why", async () => {
  const page = await newPage();
  const outcome = await open(page, "/status/403").catch(String);
  expect(outcome).toContain("Opening handshake failed");
  expect(await open(page, "/echo")).toBe("ready");
});

test("a page that is closed, and one that goes elsewhere, are noticed at once", async () => {
  const leaving = await opened();
  const closing = await opened();
  await leaving.goto("about:blank");
  await closing.close();
  // A connection that only falls silent ends uncleanly.
  for (let n = 0; n < 2; n++) expect(await server.next("closed")).toMatchObject({ isClean: true });
});

test("a page whose process is killed is noticed", async () => {
  const page = await opened();
  const crashed = page.waitForEvent("crash");
  page.goto("chrome://crash").catch(() => undefined);
  await within(crashed, "crash of the page");
  await server.next("closed", 10_000);
});

test("a server that stops tells code and reason, and one that is killed is noticed", async () => {
  const page = await opened();
  expect(await server.stop()).toBe(0);
  const end = { closeCode: 4000, reason: "server is shutting down" };
  expect(await page.evaluate("ended()")).toEqual(end);
  server = await PeerServer.start(certificate, server.port);
  expect(await open(page, "/echo")).toBe("ready");
  await server.kill();
  expect(await page.evaluate("ended()")).toContain("WebTransportError");
  server = await PeerServer.start(certificate, server.port);
  expect(await open(page, "/echo")).toBe("ready");
  expect(await page.evaluate('ask("again")')).toBe("again");
});
