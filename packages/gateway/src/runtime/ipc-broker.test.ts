import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { SetUpBroker } from "@starling/core/broker/conformance/fixture.ts";
import { describeBroker } from "@starling/core/broker/conformance/suite.ts";
import { IpcFixture, type Transport } from "@starling/core/broker/ipc/testing/ipc-fixture.ts";
import { listenOnSocket, openSocket, type SocketListener } from "./ipc-stream.ts";
import { afterTurn } from "./system.ts";

/** Turns of the event loop in which nothing has come when nothing will: both ends are in this process. */
const IDLE_TURNS = 8;

const directory = mkdtempSync(join(tmpdir(), "starling-ipc-"));
const listeners: SocketListener[] = [];
afterAll(() => {
  for (const listener of listeners) listener.stop();
  rmSync(directory, { recursive: true, force: true });
});

const setUp: SetUpBroker = async (settings) => {
  const path = join(directory, `${listeners.length}.sock`);
  const activity = { count: 0 };
  const noted =
    <T extends unknown[], R>(what: (...given: T) => R) =>
    (...given: T): R => {
      activity.count++;
      return what(...given);
    };
  const transport: Transport = {
    async listen(accept) {
      listeners.push(await listenOnSocket(path, noted(accept)));
    },
    open: noted(openSocket(path)),
    afterTurn: (callback) => afterTurn(noted(callback)),
    async settle() {
      for (let idle = 0, seen = -1; idle < IDLE_TURNS; idle++) {
        if (activity.count !== seen) idle = 0;
        seen = activity.count;
        await turn();
      }
    },
    cut: (stream) => stream.end(),
  };
  const fixture = new IpcFixture(settings, transport);
  await fixture.listen();
  return fixture;
};

describeBroker("the ipc broker over a unix socket", setUp, { hasLinks: true });
