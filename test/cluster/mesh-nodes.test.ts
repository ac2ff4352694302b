/** Nodes of a mesh tell clients and their operators of one another, and how they are connected. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "../support/deadline.ts";
import { EngineHttp } from "../support/engine-http.ts";
import { NodeUnderTest } from "../support/faults/node-under-test.ts";
import { httpsCall } from "../support/https.ts";
import { NatsServer } from "../support/nats-server.ts";

setDefaultTimeout(90_000);

const LEASE_MS = 4_000;
/** Longer than any lease is waited for on a busy machine. */
const PATIENCE_MS = 40_000;
const WORKERS = 2;
const PAGE = "https://page.example";

let nats: NatsServer;
let shared: Record<string, string>;
/** One process. */
let here: NodeUnderTest;
/** A cluster, with a quic worker. */
let there: NodeUnderTest;
/** Those that have started, also where another did not. */
const running: NodeUnderTest[] = [];

interface Listed {
  readonly id: string;
  readonly region: string | null;
  readonly addresses: readonly string[];
  readonly connections: number;
  readonly load: number;
  readonly draining: boolean;
}

beforeAll(async () => {
  nats = await NatsServer.start();
  shared = { NATS_URL: nats.url, PRESENCE_LEASE: `${LEASE_MS}`, ALLOWED_ORIGINS: PAGE };
  [here, there] = await Promise.all([
    started(0, {
      MESH_ID: "here",
      MESH_REGION: "eu-west",
      PUBLIC_URLS: "https://here.example:8443, https://[2001:db8::1]:8443",
    }),
    started(WORKERS, { MESH_ID: "there", WEBTRANSPORT: "1" }),
  ]);
  for (const { process } of [here, there]) {
    await once("a node that is ready", async () => {
      const { status } = await httpsCall(`${process.subscriberUrl}/ready`, process.ca);
      return status === 200 ? true : undefined;
    });
  }
});

afterAll(async () => {
  const codes = await Promise.all(running.map((node) => node.stop()));
  await nats.stop();
  expect(codes).toEqual([0, 0]);
});

async function started(workers: number, environment: Record<string, string>) {
  const node = await NodeUnderTest.start(workers, { ...shared, ...environment });
  running.push(node);
  return node;
}

async function nodesAt({ process }: NodeUnderTest): Promise<Listed[]> {
  const { text } = await httpsCall(`${process.subscriberUrl}/v1/nodes`, process.ca);
  return JSON.parse(text).nodes;
}

/** What a node lists, once that is so. */
function listed(
  what: string,
  node: NodeUnderTest,
  isSo: (nodes: readonly Listed[]) => boolean,
): Promise<Listed[]> {
  return once(what, async () => {
    const nodes = await nodesAt(node);
    return isSo(nodes) ? nodes : undefined;
  });
}

function once<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  return eventually(what, attempt, PATIENCE_MS);
}

async function metric({ process }: NodeUnderTest, name: string): Promise<number> {
  const { text } = await httpsCall(`${process.publisherUrl}/metrics`, process.ca);
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
}

async function commanded(node: NodeUnderTest, command: string) {
  const { code, out, err } = await node.starling(command, "--json");
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out);
}

const has = (id: string) => (nodes: readonly Listed[]) => nodes.some((node) => node.id === id);

test("each node lists itself and the other, with what is public of them", async () => {
  const [own, far] = await listed("here at there", there, has("here"));
  expect(own).toEqual({
    ...{ id: "there", region: null, addresses: [], connections: 0, draining: false },
    load: expect.any(Number),
  });
  expect(far).toEqual({
    ...{ id: "here", region: "eu-west", connections: 0, draining: false },
    addresses: ["https://here.example:8443", "https://[2001:db8::1]:8443"],
    load: expect.any(Number),
  });
  await listed("there at here", here, has("there"));
  const { publisherUrl, ca } = here.process;
  const { status, text } = await httpsCall(`${publisherUrl}/api/nodes`, ca);
  const { ok, node, nodes } = JSON.parse(text);
  expect([status, ok, node]).toEqual([200, true, "here"]);
  expect(nodes.map(({ id }: Listed) => id)).toEqual(["here", "there"]);
});

test("pages that may connect may read the list and the readiness, and may keep the list", async () => {
  const { subscriberUrl, ca } = there.process;
  for (const path of ["/v1/nodes", "/ready"]) {
    const { status, headers } = await httpsCall(subscriberUrl + path, ca, {
      headers: { origin: PAGE },
    });
    expect([status, headers.get("access-control-allow-origin")]).toEqual([200, PAGE]);
    expect(headers.get("cache-control")).toBe(path === "/ready" ? "no-store" : "public, max-age=5");
  }
});

test("the operator is told of every link, the quic worker's and the node's own too", async () => {
  await once("the links of all workers", async () =>
    (await metric(there, "starling_nats_links")) === WORKERS + 1 ? true : undefined,
  );
  await once("the node's own link", async () =>
    (await metric(there, "starling_mesh_presence_links")) === 1 ? true : undefined,
  );
  const links = await once("what the workers say of their links", async () => {
    const { nats: own, workers } = await commanded(there, "status");
    const all = [own, ...workers.map((worker: { nats?: unknown }) => worker.nats)];
    return all.every((link) => typeof link?.lagMs === "number") ? all : undefined;
  });
  expect(links.map(({ downMs }) => downMs)).toEqual([null, null, null, null]);

  await listed("here at there", there, has("here"));
  const nodes = await once("a mesh whose links are up", async () => {
    const report = await commanded(here, "mesh");
    const isUp = report.nodes[1]?.linksUp === WORKERS + 2 && report.nodes[1].rttMs !== null;
    return isUp ? report.nodes : undefined;
  });
  expect(nodes).toMatchObject([
    { id: "here", isOwn: true, rttMs: null, links: 2, linksUp: 2, region: "eu-west" },
    { id: "there", isOwn: false, links: WORKERS + 2, draining: false },
  ]);
  expect(nodes[1].rttMs).toBeGreaterThanOrEqual(0);
  expect(nodes[1].lagMs).toBeGreaterThanOrEqual(0);
});

test("a node that drains is listed as such, and one that is killed no more after its lease", async () => {
  const doomed = await NodeUnderTest.start(0, {
    ...{ ...shared, MESH_ID: "doomed", DRAIN_SECONDS: "600" },
  });
  const { subscriberUrl, ca, pid } = doomed.process;
  try {
    // A client that does not come for the end of its session holds the drain up.
    const id = crypto.randomUUID();
    const http = new EngineHttp(`${subscriberUrl}/socket.io/?uniqueUserId=${id}`, { ca });
    const { sid } = await http.handshake();
    await http.post(sid, "40");
    await listed("doomed and its client", there, (nodes) =>
      nodes.some((node) => node.id === "doomed" && node.connections === 1),
    );
    doomed.process.requestStop();
    for (const node of [here, there]) {
      await listed("doomed as draining", node, (nodes) =>
        nodes.some(({ id: listedId, draining }) => listedId === "doomed" && draining),
      );
    }
  } finally {
    process.kill(pid, "SIGKILL");
    await doomed.stop();
  }
  for (const node of [here, there]) {
    await listed("a list without doomed", node, (nodes) => !has("doomed")(nodes));
  }
});

test("a node is not ready while any of its links is down, and says which", async () => {
  const members = "the link to NATS for members is down";
  const own = "NATS is away";
  const said = async ({ process }: NodeUnderTest) => {
    const { text } = await httpsCall(`${process.subscriberUrl}/ready`, process.ca);
    return text.split("; ").sort();
  };
  const says = (node: NodeUnderTest, ...reasons: string[]) =>
    once(`a node that says ${reasons.join()}`, async () =>
      Bun.deepEquals(await said(node), reasons.sort()) ? true : undefined,
    );
  await nats.kill();
  await says(here, own, members);
  await says(there, own, members, "the quic worker's link to NATS is down");
  await nats.restart();
  await says(here, "ready");
  await says(there, "ready");
});
