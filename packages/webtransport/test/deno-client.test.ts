/** Deno's own WebTransport client against the server. */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { within } from "../../../test/support/deadline.ts";
import { ServerCertificate } from "../../../test/support/server-certificate.ts";
import { certificateHash, DENO, DenoProcess, PeerServer } from "./peer-process.ts";

setDefaultTimeout(60_000);

const PROGRAM = fileURLToPath(new URL("deno-client.ts", import.meta.url));
const START_MS = 20_000;

const certificate = new ServerCertificate();
let server: PeerServer;
const clients: DenoProcess[] = [];

beforeAll(async () => {
  server = await PeerServer.start(certificate);
});

afterEach(async () => {
  for (const client of clients.splice(0)) {
    client.send("quit");
    await client.exited;
  }
  await server.idle();
  server.forget();
});

afterAll(async () => {
  await server?.kill();
  certificate[Symbol.dispose]();
});

function start(path: string): DenoProcess {
  const client = new DenoProcess(PROGRAM, [server.url(path), certificateHash(certificate)]);
  clients.push(client);
  return client;
}

async function connected(path = "/echo"): Promise<DenoProcess> {
  const client = start(path);
  await client.next("ready", START_MS);
  return client;
}

async function outcome(client: DenoProcess, command: string, event: string): Promise<unknown> {
  client.send(command);
  const { text } = await client.next(event);
  return text;
}

test.each(["/echo", "/web-streams"])("datagrams and streams go both ways at %s", async (path) => {
  const client = await connected(path);
  expect(await outcome(client, "datagram hello", "datagram")).toBe("hello");
  expect(await outcome(client, "ask question", "answer")).toBe("question");
  expect(await outcome(client, "datagram again", "datagram")).toBe("again");
});

test("streams of one direction go both ways, and the server asks", async () => {
  const client = await connected();
  expect(await outcome(client, "news hello", "news")).toBe("HELLO");
  client.send("answer");
  expect(await server.next("answer")).toMatchObject({ text: "question!" });
});

test("a status is a refusal", async () => {
  await start("/status/401").next("refused", START_MS);
});

test("the server's close ends the client, which answers it", async () => {
  const client = await connected();
  client.send("close|4711|bye");
  expect(await server.next("closed")).toMatchObject({ closeCode: 4711, reason: "bye" });
  await client.next("ended");
});

test("the client's close is noticed, though it says nothing by a capsule", async () => {
  const client = await connected();
  client.send("close");
  expect(await server.next("closed")).toMatchObject({
    closeCode: 0,
    reason: "done",
    isClean: false,
  });
});

test("a client that is killed is noticed, and the server lives on", async () => {
  const client = await connected();
  await client.kill();
  clients.pop();
  expect(await server.next("closed", 10_000)).toMatchObject({ closeCode: 0, isClean: false });
  expect(await outcome(await connected(), "datagram hello", "datagram")).toBe("hello");
});

test("the example of the README sends datagrams and streams back", async () => {
  const { PATH, HOME } = process.env;
  const example = fileURLToPath(new URL("../examples/echo.ts", import.meta.url));
  const flags = ["--unstable-net", "--allow-net", "--allow-read", "--no-prompt", "--no-lock"];
  const child = Bun.spawn(
    [DENO, "run", ...flags, example, certificate.certFile, certificate.keyFile, "0"],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit", env: { PATH, HOME, NO_COLOR: "1" } },
  );
  try {
    const { value } = await within(child.stdout.getReader().read(), "a port", START_MS);
    const [, url = ""] = /listening on (\S+)/.exec(new TextDecoder().decode(value)) ?? [];
    const client = new DenoProcess(PROGRAM, [url, certificateHash(certificate)]);
    clients.push(client);
    await client.next("ready", START_MS);
    expect(await outcome(client, "datagram hello", "datagram")).toBe("hello");
    expect(await outcome(client, "ask question", "answer")).toBe("question");
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
});
