/** The published presence client, unmodified, in programs outside of a browser. */

import { afterEach, setDefaultTimeout } from "bun:test";
import { fileURLToPath } from "node:url";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { PresencePeer } from "../support/presence-peer.ts";
import type { Call } from "../support/presence-program.ts";
import { environment, presenceScenarios } from "../support/presence-scenarios.ts";

setDefaultTimeout(60_000);

const PROGRAM = fileURLToPath(import.meta.resolve("../support/presence-program.ts"));

const gateway = new GatewayFixture(() => environment);
const programs = new Map<PresencePeer, Bun.Subprocess>();

afterEach(async () => {
  for (const peer of [...programs.keys()]) await kill(peer);
});

/** A program that trusts the gateway's certificate and loads the client. */
async function start(): Promise<PresencePeer> {
  const answers = new Map<number, (value: unknown) => void>();
  const child = Bun.spawn([process.execPath, PROGRAM], {
    env: { NODE_EXTRA_CA_CERTS: gateway.process.caFile },
    stdout: "ignore",
    stderr: "inherit",
    ipc: ({ number, value }: { number: number; value: unknown }) => {
      answers.get(number)?.(value);
      answers.delete(number);
    },
  });
  let calls = 0;
  const peer = new PresencePeer((method, ...args) => {
    const number = calls++;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    answers.set(number, resolve);
    child.send({ number, method, args } satisfies Call);
    return promise;
  });
  programs.set(peer, child);
  return peer;
}

async function kill(peer: PresencePeer): Promise<void> {
  const child = programs.get(peer);
  programs.delete(peer);
  child?.kill("SIGKILL");
  await child?.exited;
}

presenceScenarios(gateway, { start, kill });
