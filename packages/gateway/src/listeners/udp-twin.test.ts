import { afterEach, expect, test } from "bun:test";
import type { Server } from "bun";
import { listenWithUdpTwin } from "./udp-twin.ts";

const HOST = "127.0.0.1";

const servers: Server<undefined>[] = [];
const twins: Bun.udp.Socket<"buffer">[] = [];
afterEach(async () => {
  for (const twin of twins.splice(0)) twin.close();
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

function listen(): Server<undefined> {
  const server = Bun.serve({ hostname: HOST, port: 0, fetch: () => new Response("mine") });
  servers.push(server);
  return server;
}

async function takeTwin({ port = 0 }: Server<undefined>): Promise<void> {
  twins.push(await Bun.udpSocket({ hostname: HOST, port }));
}

/** Servers of whose ports somebody has the UDP side. */
async function halfTaken(count: number): Promise<Server<undefined>[]> {
  const all = Array.from({ length: count }, listen);
  await Promise.all(all.map(takeTwin));
  return all;
}

test("a port whose UDP twin is taken is passed over, and given up", async () => {
  const taken = await halfTaken(2);
  const next = [...taken];
  const server = await listenWithUdpTwin(HOST, () => next.shift() ?? listen());
  expect(taken).not.toContain(server);
  await takeTwin(server);
  expect(await (await fetch(server.url)).text()).toBe("mine");
  for (const { url } of taken) {
    expect(await fetch(url).catch(({ code }) => code)).toMatch(/REFUSED/i);
  }
});

test("where no port is better, the last that was tried is taken", async () => {
  const taken = await halfTaken(20);
  const next = [...taken];
  const server = await listenWithUdpTwin(HOST, () => next.shift() ?? listen());
  expect([taken.indexOf(server), next]).toEqual([19, []]);
  expect(await (await fetch(server.url)).text()).toBe("mine");
});
