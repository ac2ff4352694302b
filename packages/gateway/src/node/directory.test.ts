import { describe, expect, test } from "bun:test";
import type { LinkReport } from "@starling/core/broker/nats/link-probe.ts";
import { encodeNotice } from "@starling/core/mesh-directory/notice.ts";
import type { OtherNode } from "@starling/core/mesh-presence/presence-mesh.ts";
import { Directory, type DirectoryConfig, type NodesLink } from "./directory.ts";
import type { WorkerStatus } from "./status.ts";

const config: DirectoryConfig = {
  meshId: "here",
  publicUrls: ["https://here.example:8443"],
  region: "eu",
};
const up = { downMs: null, lagMs: 3 };
const worker: WorkerStatus = {
  ...{ kind: "gateway", slot: 0, worker: 1, pid: 1, state: "ready", connections: 5 },
  ...{ memoryBytes: 1, cpu: 0.2, uptimeMs: 1, restarts: 0 },
};
const there = { addresses: [], connections: 9, load: 0.5, draining: true, links: 1, linksUp: 1 };

/** A link to other nodes that answer after so many milliseconds. */
class TestLink implements NodesLink {
  changes = 0;
  linkReport = (): LinkReport => ({ downMs: null, lagMs: 1 });
  readonly mesh: NodesLink["mesh"];
  readonly pings: NodesLink["pings"];

  constructor(others: readonly OtherNode[], roundTrips: Readonly<Record<string, number>>) {
    this.mesh = { others: () => others, aboutChanged: () => void this.changes++ };
    this.pings = { roundTripMs: async (start) => roundTrips[start] };
  }
}

const others: readonly OtherNode[] = [
  { node: "there", start: "s2", about: encodeNotice(there) },
  { node: "away", start: "s1", about: "" },
];

function directoryOf(workers: readonly WorkerStatus[], link?: TestLink): Directory {
  const directory = new Directory(config, () => workers);
  if (link !== undefined) directory.use(link);
  return directory;
}

describe("a node without NATS", () => {
  test("is the only one, with what is configured and counted", () => {
    expect(directoryOf([worker, { ...worker, cpu: 0.4 }]).list()).toEqual([
      {
        ...{ id: "here", region: "eu", addresses: ["https://here.example:8443"] },
        ...{ connections: 10, load: 0.3, draining: false },
      },
    ]);
  });

  test("reports that it is alone", async () => {
    const { nats, nodes } = await directoryOf([worker]).report();
    expect([nats, nodes.length]).toEqual([null, 1]);
    expect(nodes[0]).toMatchObject({ id: "here", isOwn: true, rttMs: null, links: 0, linksUp: 0 });
  });
});

test("the load is that of whichever is busier, all gateway workers or the quic worker", () => {
  const quic: WorkerStatus = { ...worker, kind: "quic", slot: "quic", cpu: 0.9 };
  const starting: WorkerStatus = { ...worker, state: "starting", cpu: 1 };
  const loadOf = (...workers: WorkerStatus[]) => directoryOf(workers).list()[0]?.load;
  expect(loadOf(worker, starting)).toBe(0.2);
  expect(loadOf(worker, quic)).toBe(0.9);
  expect(loadOf(worker, { ...quic, cpu: 0.1 })).toBe(0.2);
  expect(loadOf()).toBe(0);
});

describe("a node of a mesh", () => {
  test("lists who says something of itself, and reports everybody", async () => {
    const directory = directoryOf([worker], new TestLink(others, { s2: 80 }));
    expect(directory.list().map(({ id, draining }) => [id, draining])).toEqual([
      ["here", false],
      ["there", true],
    ]);
    const { nats, nodes } = await directory.report();
    expect(nats).toEqual({ downMs: null, lagMs: 1 });
    expect(nodes.map(({ id }) => id)).toEqual(["here", "away", "there"]);
    expect(nodes[1]).toEqual({ id: "away", isOwn: false, rttMs: null });
    expect(nodes[2]).toEqual({ id: "there", isOwn: false, rttMs: 80, ...there });
  });

  test("counts its links and those that are up, and is as far behind as the slowest", () => {
    const down = { downMs: 10, lagMs: null };
    const workers = [
      { ...worker, nats: up },
      { ...worker, nats: down },
      { ...worker, nats: { downMs: null, lagMs: 70 } },
      // It has yet to say anything.
      worker,
    ];
    const about = JSON.parse(directoryOf(workers, new TestLink([], {})).about());
    expect(about).toMatchObject({ links: 4, linksUp: 3, lagMs: 70 });
    expect(JSON.parse(directoryOf([worker]).about())).not.toHaveProperty("lagMs");
  });

  test("says nothing of itself before a worker serves, and until it has let its clients go", () => {
    let state: WorkerStatus["state"] = "starting";
    const directory = new Directory(config, () => [{ ...worker, state }]);
    expect(directory.about()).toBe("");
    state = "ready";
    expect(JSON.parse(directory.about())).toMatchObject({ connections: 5, draining: false });
    directory.drain();
    state = "draining";
    expect(JSON.parse(directory.about())).toMatchObject({ connections: 5, draining: true });
  });

  test("says at once that it drains, and what a restart has changed", () => {
    const link = new TestLink([], {});
    const directory = directoryOf([worker], link);
    directory.drain();
    expect(link.changes).toBe(1);
    expect(directory.list()[0]?.draining).toBe(true);
    directory.configure({ meshId: "here", publicUrls: [], region: undefined });
    expect(link.changes).toBe(2);
    expect(directory.list()[0]).toMatchObject({ addresses: [], region: null });
  });
});
