import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { NatsPresence } from "@starling/core/broker/nats/nats-presence.ts";
import { RecordingLog } from "@starling/core/testing/recording-log.ts";
import { eventually } from "../../../../test/support/deadline.ts";
import { afterTurn, systemClock, systemRandom } from "./system.ts";
import { ownPrefix } from "./testing/mesh-fixture.ts";
import { NatsServer } from "./testing/nats-server.ts";

setDefaultTimeout(60_000);

/** Nobody is lost on a busy machine. */
const LEASE_MS = 30_000;
/** Longer than anything is waited for on a busy machine. */
const PATIENCE_MS = 30_000;
/** What docs/protocol/nats.md says that a node needs for this. */
const allowed = `permissions: { publish: "*.who.>", subscribe: "*.who.>" }`;
const old = `{ user: a, password: old, ${allowed} }`;
const renewed = `{ user: b, password: new, ${allowed} }`;

const server = await NatsServer.start(`authorization { users: [ ${old}, ${renewed} ] }`);
afterAll(() => server.stop());

const logins = {
  old: { user: "a", pass: "old" },
  new: { user: "b", pass: "new" },
  wrong: { user: "b", pass: "wrong" },
};

const connections: NatsConnection[] = [];

function login(as: keyof typeof logins) {
  return async () => {
    const connection = await connect({
      ...{ servers: server.url, maxReconnectAttempts: -1, ignoreAuthErrorAbort: true },
      ...{ noEcho: true, ...logins[as] },
    });
    connections.push(connection);
    return connection;
  };
}

function started(prefix: string, node: string, about: () => string) {
  const log = new RecordingLog();
  const presence = new NatsPresence({
    ...{ node, start: `start-of-${node}`, since: systemClock.now(), prefix, about, log },
    ...{ clock: systemClock, random: systemRandom, afterTurn, leaseMs: LEASE_MS },
    connect: login("old"),
    showing: { show: () => {}, hide: () => {} },
  });
  return { presence, log };
}

async function soon(what: string, isSo: () => boolean): Promise<void> {
  const look = async () => {
    if (isSo()) return true;
    await Bun.sleep(10);
    return undefined;
  };
  await eventually(what, look, PATIENCE_MS);
}

/** A node's subscriptions may reach the server after what another has sent. */
async function answers(from: NatsPresence, start: string): Promise<void> {
  const ask = () => from.pings.roundTripMs(start);
  expect(await eventually(`an answer of ${start}`, ask, PATIENCE_MS)).toBeGreaterThanOrEqual(0);
}

const heard = ({ mesh }: NatsPresence) => [...mesh.others()].map(({ about }) => about);

test("nodes hear what others say of themselves, and answer at once", async () => {
  const prefix = ownPrefix();
  let said = "first";
  const a = started(prefix, "a", () => said);
  const b = started(prefix, "b", () => "of b");
  try {
    await soon("b to be heard", () => heard(a.presence)[0] === "of b");
    await soon("a to be heard", () => heard(b.presence)[0] === "first");
    said = "second";
    a.presence.mesh.aboutChanged();
    await soon("the news of a", () => heard(b.presence)[0] === "second");
    await answers(a.presence, "start-of-b");
    expect(await a.presence.pings.roundTripMs("nobody")).toBeUndefined();
  } finally {
    await Promise.all([a.presence.close(), b.presence.close()]);
  }
});

test("a link is made anew with another password while others hear the node as before", async () => {
  const prefix = ownPrefix();
  const a = started(prefix, "a", () => "of a");
  const b = started(prefix, "b", () => "of b");
  try {
    await soon("a to be heard", () => heard(b.presence).length === 1);
    const refused = await a.presence.renew(login("wrong")).then(() => "let in", String);
    expect(refused).toContain("Authorization Violation");
    expect([a.presence.downSince, heard(b.presence)]).toEqual([undefined, ["of a"]]);

    const before = connections.filter((each) => !each.isClosed()).length;
    await a.presence.renew(login("new"));
    expect(connections.filter((each) => !each.isClosed())).toHaveLength(before);
    expect(a.presence.downSince).toBeUndefined();
    await answers(a.presence, "start-of-b");
    await answers(b.presence, "start-of-a");
    expect(b.presence.mesh.counters.lost).toBe(0);
    expect(heard(b.presence)).toEqual(["of a"]);

    // A link that breaks from now on comes back as the new user.
    server.configure(`authorization { users: [ ${renewed} ] }`);
    await server.kill();
    await soon("a to notice", () => a.presence.downSince !== undefined);
    await server.restart();
    await soon("a to be back", () => a.presence.downSince === undefined);
    expect(b.presence.downSince).toBeDefined();
  } finally {
    await Promise.all([a.presence.close(), b.presence.close()]);
  }
});
