/** The published presence client, unmodified, in programs outside of a browser. */

import { afterEach, setDefaultTimeout } from "bun:test";
import { GatewayFixture } from "../support/gateway-fixture.ts";
import { PresenceChild } from "../support/presence-child.ts";
import type { PresencePeer } from "../support/presence-peer.ts";
import { environment, presenceScenarios } from "../support/presence-scenarios.ts";

setDefaultTimeout(60_000);

const gateway = new GatewayFixture(() => environment);
const programs = new Map<PresencePeer, PresenceChild>();

afterEach(async () => {
  for (const peer of [...programs.keys()]) await kill(peer);
});

/** A program that trusts the gateway's certificate and loads the client. */
async function start(): Promise<PresencePeer> {
  const child = new PresenceChild(gateway.process.caFile);
  programs.set(child.peer, child);
  return child.peer;
}

async function kill(peer: PresencePeer): Promise<void> {
  const child = programs.get(peer);
  programs.delete(peer);
  await child?.kill();
}

presenceScenarios(gateway, { start, kill });
