import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { developmentCertificate } from "../certificates/development.ts";
import { systemClock } from "../runtime/system.ts";
import { stopWithin } from "./stop.ts";

const GRACE_MS = 5_000;

let folder: string;
let tls: { cert: string; key: string };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "starling-stop-"));
  tls = await developmentCertificate(folder, systemClock);
});
afterAll(() => rmSync(folder, { recursive: true }));

function serve(answer: () => Response | Promise<Response>) {
  const { cert, key } = tls;
  return Bun.serve({ hostname: "127.0.0.1", port: 0, tls: { cert, key }, fetch: answer });
}

/** A request on a connection of its own, which ends with it. */
function get(url: URL): Promise<Response> {
  return fetch(url, { headers: { connection: "close" }, tls: { ca: tls.cert } });
}

test("a connection that never asks for anything is cut once the grace has passed", async () => {
  const server = serve(() => new Response());
  const socket = connect({ host: "127.0.0.1", port: server.port ?? 0, ca: tls.cert });
  await new Promise((done) => socket.once("secureConnect", done));
  // The server has certainly accepted the first connection once a later one was answered.
  await get(server.url);
  const closed = new Promise<void>((done) => socket.once("close", () => done()));
  const clock = new FakeClock();
  const stopped = stopWithin(server, clock, GRACE_MS);
  clock.advance(GRACE_MS);
  await stopped;
  await closed;
});

test("a request under way is answered first, and no timer stays behind", async () => {
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  const { promise: answer, resolve: give } = Promise.withResolvers<Response>();
  const server = serve(() => {
    onAsked();
    return answer;
  });
  const response = get(server.url);
  await asked;
  const clock = new FakeClock();
  const stopped = stopWithin(server, clock, GRACE_MS);
  give(new Response("done"));
  expect(await (await response).text()).toBe("done");
  await stopped;
  expect(clock.pendingTimers).toBe(0);
});
