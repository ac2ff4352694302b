import { afterAll, beforeAll, expect, test } from "bun:test";
import { makeCertificate } from "../certificate.ts";
import { temporaryDirectory } from "../rounds.ts";
import { HttpConnection } from "./http-connection.ts";
import { PollingSession } from "./polling-session.ts";

const directory = temporaryDirectory();
/** What the server answers to polls, one after the other; then it waits. */
const polls = ['40{"sid":"s"}', '42["a",{}]\x1e2\x1e42["a",{}]', '42["a",{}]'];
const posted: string[] = [];
let pollsAnswered = 0;
let server: ReturnType<typeof Bun.serve>;

beforeAll(() => {
  const files = makeCertificate(directory.path);
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: Bun.file(files.certificate), key: Bun.file(files.key) },
    fetch: async (request) => {
      const query = new URL(request.url).searchParams;
      if (query.get("uniqueUserId") === "banned") return new Response("banned", { status: 400 });
      if (query.has("uniqueUserId")) return new Response('0{"sid":"1.secret","upgrades":[]}');
      if (query.get("sid") === "cut") return stopServer();
      if (request.method === "GET") return poll();
      posted.push(await request.text());
      return new Response("ok");
    },
  });
});

afterAll(async () => {
  await server.stop(true);
  directory.dispose();
});

/** Closes the connection of the request instead of answering it. */
async function stopServer(): Promise<Response> {
  await server.stop(true);
  return new Response("too late");
}

function poll(): Response | Promise<Response> {
  const body = polls[pollsAnswered];
  pollsAnswered += 1;
  return body === undefined ? new Promise(() => undefined) : new Response(body);
}

test("a session joins, counts events and not packets, and answers pings", async () => {
  const connection = await HttpConnection.open(server.url);
  const session = await PollingSession.open(connection, "u");
  const counts: number[] = [];
  const complete = Promise.withResolvers<void>();
  await session.join(connection, {
    received: (count, buffer, start, end) => {
      expect(buffer.toString("utf8", start, end)).toBe('42["a",{}]');
      if (counts.push(count) === 3) complete.resolve();
    },
    closed: () => complete.reject(new Error("closed")),
  });
  await complete.promise;
  expect(counts).toEqual([1, 1, 1]);
  expect(posted).toEqual(['40{"token":"bench"}', "3"]);
  connection.close();
});

test("a refusal is an error that quotes it", async () => {
  const connection = await HttpConnection.open(server.url);
  await expect(PollingSession.open(connection, "banned")).rejects.toThrow("answered 400: banned");
  connection.close();
});

test("a connection that the server closes ends the request that waits on it", async () => {
  const connection = await HttpConnection.open(server.url);
  await expect(connection.request("GET", "/?sid=cut")).rejects.toThrow("closed the connection");
});
