import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { wrkVersion } from "./measure/wrk.ts";
import { cluster, PARTS, type Part, parseParts } from "./modes/cluster.ts";
import { fanout } from "./modes/fanout.ts";
import { idle } from "./modes/idle.ts";
import { mesh } from "./modes/mesh.ts";
import type { Mode } from "./modes/mode.ts";
import { type Pace, parsePaces, presence } from "./modes/presence.ts";
import { presenceMesh } from "./modes/presence-mesh.ts";
import { publish } from "./modes/publish.ts";
import { recovery } from "./modes/recovery.ts";
import { webTransport } from "./modes/webtransport.ts";
import { debianVersion } from "./peers/debian.ts";
import {
  clusterPeers,
  historyPeers,
  httpPeers,
  meshHistoryPeers,
  peerNamed,
  peers,
  presencePeers,
  quicPeers,
} from "./peers/index.ts";
import { natsMesh } from "./peers/nats-mesh.ts";
import { nchanTwoWorkers } from "./peers/nchan.ts";
import type { Server } from "./peers/peer.ts";
import { endAll } from "./processes.ts";
import { report } from "./report/report.ts";
import { text } from "./report/text.ts";
import { runRounds, temporaryDirectory } from "./rounds.ts";
import { TRANSPORTS, type Transport } from "./storm/comeback.ts";

const DEFAULT_PACES = "10x10,2x50,50x10+";
const DEFAULT_JSON = resolve(import.meta.dir, "../results/latest.json");

interface CommonOptions {
  readonly rounds: number;
  readonly peers: string;
  readonly json: string;
}

/** An option's value that must be a whole number from `least` to `most`. */
function count(most: number, least = 1): (text: string) => number {
  return (given) => {
    const value = Number(given);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most} is wanted.`);
  };
}

/** The same for a number that two workers are to share. */
function even(most: number): (text: string) => number {
  return (given) => {
    const value = count(most, 2)(given);
    if (value % 2 === 0) return value;
    throw new InvalidArgumentError("An even number is wanted.");
  };
}

function paces(given: string): Pace[] {
  if (given === "none") return [];
  const found = parsePaces(given);
  if (found !== undefined) return found;
  throw new InvalidArgumentError("Something like 10x10,50x10+ is wanted, or none.");
}

function stormTransports(given: string): Transport[] {
  if (given === "none") return [];
  const found = TRANSPORTS.filter((name) => given.split(",").includes(name));
  if (found.length === given.split(",").length) return found;
  throw new InvalidArgumentError(`Some of ${TRANSPORTS.join(",")} are wanted.`);
}

function parts(given: string): Part[] {
  const found = parseParts(given);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`Some of ${PARTS.join(",")} are wanted.`);
}

async function run<S extends Server>(
  mode: Mode<S>,
  known: readonly S[],
  options: CommonOptions,
  tools: Record<string, string>,
): Promise<void> {
  const startedAt = new Date();
  const names = known.length === 0 ? [] : options.peers.split(",");
  const chosen = names.map((name) => peerNamed(known, name));
  const versions = Object.assign(tools, ...chosen.map((peer) => peer.versions()));
  const directory = temporaryDirectory();
  const stop = (signal: string): void => {
    console.error(`${signal}: ending`);
    void endAll().then(() => {
      directory.dispose();
      process.exit(130);
    });
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    const result = await runRounds(mode, chosen, options.rounds, directory.path, console.error);
    const command = ["npm run bench --", ...process.argv.slice(2)].join(" ");
    const made = report(mode, result, { startedAt, command, versions });
    console.log(`\n${text(mode, made)}`);
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(made, null, 2)}\n`);
    console.error(`\nwritten: ${options.json}`);
    if (result.failures.length > 0) process.exitCode = 1;
  } finally {
    await endAll();
    directory.dispose();
  }
}

const program = new Command("bench").description(
  "Starling beside other servers on this machine: CPU time, memory, and their ratios",
);

function subcommand(name: string, description: string, known: readonly Server[]): Command {
  const names = known.map((peer) => peer.name);
  return program
    .command(name)
    .description(description)
    .option("--rounds <n>", "rounds; every peer is measured once in each", count(100), 3)
    .addOption(
      new Option("--peers <names>", `comma-separated, of: ${names.join(", ")}`).default(
        names.filter((one) => one !== nchanTwoWorkers.name).join(","),
      ),
    )
    .option("--json <file>", "where the results go as JSON", DEFAULT_JSON);
}

const fanoutDefaults = {
  fanout: { perTick: 1, ticks: 100, tickMs: 100, overFloor: 1.15, overSocketIo: 0.45 },
  burst: { perTick: 10, ticks: 50, tickMs: 250, overFloor: 1.4, overSocketIo: 0.2 },
} as const;

for (const [name, defaults] of Object.entries(fanoutDefaults)) {
  const what = defaults.perTick === 1 ? "single messages" : "bursts of ten messages";
  subcommand(name, `${what} to many subscribers in one room`, peers)
    .option("--subscribers <n>", "in one room", count(15_000), 2_000)
    .option("--ticks <n>", "publish requests that are measured", count(100_000), defaults.ticks)
    .option("--tick-ms <n>", "least time between two of them", count(60_000), defaults.tickMs)
    .option("--payload-bytes <n>", "JSON text of one message", count(32_768), 120)
    .action((options) => run(fanout(name, { ...defaults, ...options }), peers, options, {}));
}

subcommand("idle", "memory and CPU of idle connections", peers)
  .option("--connections <n>", "TLS WebSocket connections", count(15_000), 5_000)
  .option("--settle-seconds <n>", "pause before memory is read", count(600), 5)
  .option("--idle-seconds <n>", "time over which CPU is measured", count(3_600), 30)
  .action((options) => run(idle({ ...options, atMostKib: 8 }), peers, options, {}));

subcommand("publish", "HTTPS publish requests per second", httpPeers)
  .option("--connections <n>", "keep-alive connections", count(1_000), 16)
  .option("--seconds <n>", "duration of one measurement", count(600), 5)
  .option("--payload-bytes <n>", "JSON text of one message", count(32_768), 120)
  .action((options) =>
    run(publish({ ...options, overExpress: 0.15 }), httpPeers, options, { wrk: wrkVersion() }),
  );

subcommand("presence", "members that send states, and storms of joins", presencePeers)
  .option("--members <n>", "of the channel in which states are sent", count(5_000, 2), 1_000)
  .addOption(
    new Option(
      "--paces <list>",
      "senders x states a second of each; + sends them at once; none leaves it out",
    )
      .argParser(paces)
      .default(paces(DEFAULT_PACES), DEFAULT_PACES),
  )
  .option("--seconds <n>", "duration of one measurement of states", count(600), 5)
  .option(
    "--joins <n>",
    "members that join at once and say so; 0 leaves it out",
    count(5_000, 0),
    2_000,
  )
  .option("--answered-joins <n>", "the same, everybody answering", count(1_000, 0), 200)
  .option("--overload", "report losses and cut connections instead of failing", false)
  .action((options) => run(presence(options), presencePeers, options, {}));

subcommand("cluster", "Starling with one process, one worker and two workers", clusterPeers)
  .addOption(
    new Option("--parts <list>", "what is measured")
      .argParser(parts)
      .default(parts(PARTS.join(",")), PARTS.join(",")),
  )
  .option("--subscribers <n>", "over WebSockets, in one room", count(15_000), 2_000)
  .option("--sessions <n>", "over long-polling, in one room; even", even(5_000), 500)
  .option("--ticks <n>", "publish requests to them that are measured", count(100_000), 100)
  .option("--tick-ms <n>", "least time between two of them", count(60_000), 100)
  .option("--connections <n>", "keep-alive connections of publishers", count(1_000), 16)
  .option("--seconds <n>", "duration of their publishing", count(600), 5)
  .option("--payload-bytes <n>", "JSON text of one message", count(32_768), 120)
  .action((options) =>
    run(cluster({ ...options, perTick: 1, overOneWorker: 1.1 }), clusterPeers, options, {
      wrk: wrkVersion(),
    }),
  );

subcommand("recovery", "what history costs, and storms of clients that come back", historyPeers)
  .option("--subscribers <n>", "over WebSockets, in a room of each kind", count(5_000), 2_000)
  .option("--ticks <n>", "publish requests of each kind that are measured", count(100_000), 400)
  .option("--tick-ms <n>", "least time between two of them", count(60_000), 25)
  .option("--payload-bytes <n>", "JSON text of one message", count(32_768), 120)
  .option("--clients <n>", "that come back at once", count(15_000), 2_000)
  .option("--missed <n>", "messages that each of them has missed", count(900), 100)
  .addOption(
    new Option("--transports <list>", "by which they come; none leaves storms out")
      .argParser(stormTransports)
      .default(TRANSPORTS, TRANSPORTS.join(",")),
  )
  .option("--channels <n>", "that they come back to", count(1_000), 20)
  .option("--window <n>", "connections in the making at the same time", count(2_000), 256)
  .option("--nats", "as nodes of a mesh; needs nats-server", false)
  .action((options) =>
    run(
      recovery({ ...options, perTick: 1, atMost: { overNone: 1.03 } }),
      options.nats ? meshHistoryPeers : historyPeers,
      options,
      {},
    ),
  );

subcommand("mesh", "what a message over NATS costs two nodes of Starling", [natsMesh])
  .option("--channels <n>", "in which is published in turn", count(10_000), 100)
  .option("--messages <n>", "of a flood; even", even(10_000_000), 300_000)
  .option("--rate <n>", "messages a second where they are paced; even", even(1_000_000), 20_000)
  .option("--seconds <n>", "for which they are", count(600), 4)
  .action((options) =>
    run(mesh({ ...options, atMost: { flood: 2, paced: 10 } }), [natsMesh], options, {}),
  );

subcommand("webtransport", "sessions that send and hear datagrams", quicPeers)
  .option("--sessions <n>", "in all", count(5_000, 2), 1_000)
  .option("--rate <n>", "states a second of one session, each for all others", count(1_000), 20)
  .option("--own-rate <n>", "states a second of each session, for nobody", count(1_000), 10)
  .option("--seconds <n>", "duration of one measurement", count(600), 8)
  .option("--settle-seconds <n>", "pause before memory is read", count(600), 5)
  .action((options) =>
    run(
      webTransport({
        ...options,
        atMost: { microsOut: 26, kilobytes: 120, lostPerMillion: 1 },
      }),
      quicPeers,
      options,
      {},
    ),
  );

subcommand("presence-mesh", "members of one channel on several nodes; needs nats-server", [])
  .option("--members <n>", "of the channel", count(1_000_000), 100_000)
  .option(
    "--healed <n>",
    "of the channel that is learnt again after a split",
    count(300_000),
    10_000,
  )
  .action((options) =>
    run(
      presenceMesh({
        ...options,
        atMost: { countMicros: 1, joinMicros: 50, memberBytes: 1_024, healed: 3 },
      }),
      [],
      options,
      { "nats-server": debianVersion("nats-server") },
    ),
  );

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
