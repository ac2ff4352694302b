import { expect, test } from "bun:test";
import { Counters } from "@starling/core/hub/counters.ts";
import { MeshHookCounters } from "@starling/core/mesh-hooks/counters.ts";
import { MeshPresenceCounters } from "@starling/core/mesh-presence/counters.ts";
import { Metrics } from "./metrics.ts";

const history = { bytes: 0, channels: 0, publications: 0, evictions: 0 };
const none = { history, hooks: [], bans: { known: 7, refused: 8 } };

test("every counter of the core is exported, with its value at the moment of the scrape", async () => {
  const counters = new Counters();
  const metrics = new Metrics(counters);
  counters.slowConsumers = 3;
  counters.connections = 7;
  const text = await metrics.text([], none);
  expect(text).toContain("\nstarling_slow_consumers_total 3\n");
  expect(text).toContain("\nstarling_connections 7\n");
  const exported = text.match(/^# TYPE starling_\w+ (?:counter|gauge)$/gm) ?? [];
  const all = [counters, history, none.bans].flatMap((counts) => Object.keys(counts));
  expect(exported.length).toBe(all.length);
  counters.slowConsumers = 4;
  expect(await metrics.text([], none)).toContain("\nstarling_slow_consumers_total 4\n");
});

test("round trips are a histogram in seconds", async () => {
  const metrics = new Metrics(new Counters());
  metrics.roundTrip(30);
  metrics.roundTrip(700);
  const text = await metrics.text([], none);
  expect(text).toContain('starling_ping_round_trip_seconds_bucket{le="0.05"} 1\n');
  expect(text).toContain('starling_ping_round_trip_seconds_bucket{le="1"} 2\n');
  expect(text).toContain("starling_ping_round_trip_seconds_sum 0.73\n");
});

test("what the node says of members to other nodes is exported where it does", async () => {
  const metrics = new Metrics(new Counters());
  const presence = {
    ...new MeshPresenceCounters(),
    lost: 2,
    nodes: 3,
    links: 1,
    namesakes: 1,
    channels: 4,
    waitingBytes: 5,
  };
  const reach = {
    questions: 1,
    questionsLate: 2,
    questionsRefused: 1,
    keys: 3,
    users: 6,
    keysForgottenEarly: 4,
    invalid: 5,
  };
  const text = await metrics.text([], { ...none, presence, reach });
  expect(text).toContain("\nstarling_bans 7\n");
  expect(text).toContain("\nstarling_bans_refused_total 8\n");
  expect(text).toContain("\nstarling_mesh_presence_namesakes 1\n");
  expect(text).toContain("\nstarling_mesh_questions_late_total 2\n");
  expect(text).toContain("\nstarling_mesh_questions_invalid_total 5\n");
  expect(text).toContain("\nstarling_mesh_presence_nodes 3\n");
  expect(text).toContain("\nstarling_mesh_presence_links 1\n");
  expect(text).toContain("\nstarling_mesh_presence_lost_total 2\n");
  expect(text).toContain("\nstarling_mesh_presence_waiting_bytes 5\n");
  expect(await metrics.text([], none)).not.toContain("starling_mesh_");
});

test("how the node stands among those that share hooks is exported where it does", async () => {
  const metrics = new Metrics(new Counters());
  const counters = { ...new MeshHookCounters(), takeovers: 2 };
  const meshHooks = {
    ...counters,
    sends: 1,
    informed: 1,
    facts: 30,
    pending: 3,
    kept: 4,
    dropped: 5,
  };
  const text = await metrics.text([], { ...none, meshHooks });
  expect(text).toContain("\nstarling_mesh_hooks_sends 1\n");
  expect(text).toContain("\nstarling_mesh_hooks_kept 4\n");
  expect(text).toContain("\nstarling_mesh_hooks_dropped_total 5\n");
  expect(text).toContain("\nstarling_mesh_hooks_takeovers_total 2\n");
  expect(await metrics.text([], none)).not.toContain("mesh_hooks");
});
