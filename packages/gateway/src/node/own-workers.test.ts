import { expect, test } from "bun:test";
import { bytesHolding } from "@starling/core/broker/holdings.ts";
import type { IpcServerOptions } from "@starling/core/broker/ipc/server-options.ts";
import { Node } from "@starling/core/broker/node.ts";
import { FakeClock } from "@starling/core/testing/fake-clock.ts";
import { SeededRandom } from "@starling/core/testing/seeded-random.ts";
import { loadConfig } from "../config/load.ts";
import { nodeOptions } from "./node-options.ts";
import { forOwnWorkers } from "./own-workers.ts";

type Member = Parameters<IpcServerOptions["node"]["join"]>[0];

test("a worker of another supervisor does not join", () => {
  const node = new Node<Uint8Array>(
    { ...nodeOptions(loadConfig({})), clock: new FakeClock(), random: new SeededRandom() },
    bytesHolding,
  );
  const own = forOwnWorkers(node, (worker) => worker === 7);
  const member = {} as Member;
  expect(() => own.join(member, 8)).toThrow("there is no worker 8");
  expect(node.workers).toEqual([]);
  own.join(member, 7);
  expect(node.workers).toEqual([7]);
});
