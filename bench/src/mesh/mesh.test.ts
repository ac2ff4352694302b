import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNats } from "../peers/nats-mesh.ts";
import { end } from "../processes.ts";
import { Mesh } from "./measure.ts";
import { kinds } from "./orders.ts";

test("everything that one node publishes reaches the other over NATS, of both kinds", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bench-mesh-"));
  const server = await startNats({ directory });
  const mesh = new Mesh({ pid: server.pid, url: server.urls.publisher.href });
  try {
    await mesh.start(3);
    for (const kind of kinds) {
      for (const perSecond of [0, 2_000]) {
        const cost = await mesh.measure(kind, { messages: 200, perSecond });
        expect(cost.perSecond).toBeGreaterThan(0);
      }
    }
  } finally {
    await mesh.end();
    await end(server.pid);
    rmSync(directory, { recursive: true, force: true });
  }
});
