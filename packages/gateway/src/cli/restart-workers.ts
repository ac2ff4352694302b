import { tlsMaterial } from "../certificates/material.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/fault.ts";
import { configOf } from "../config/load.ts";
import { type VariableKey, variables } from "../config/variables.ts";
import type { RestartOutcome, RestartProgress } from "../node/control.ts";
import { ReplacementFailed } from "../node/slot.ts";
import { RestartRefused, type Workers } from "../node/workers.ts";
import type { QuicService } from "../quic/quic-service.ts";
import { settingsOf } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import type { Preparation } from "./preparation.ts";

/** Settings of the supervisor, or that all workers must have in common, with what holds now. */
const FIXED = [
  "stateDir",
  "host",
  "singlePort",
  "publisherPort",
  "subscriberPort",
  "connectRatePerUser",
  "connectRatePerAddress",
  "apiRatePerKey",
  "idempotencyWindowMs",
  "logsDir",
  "clusterMode",
  "clusterInstances",
  "presenceLeaseMs",
  "historyMaxBytes",
] as const satisfies readonly (VariableKey & keyof Config)[];

/** Names of the settings that a restart cannot change, and that differ. */
export function fixedDifferences(now: Config, next: Config): string[] {
  return [
    ...FIXED.filter((key) => now[key] !== next[key]).map((key) => variables[key].name),
    ...(now.drainMs === next.drainMs ? [] : [variables.drainSeconds.name]),
    ...(budgets(now) === budgets(next) ? [] : [`limits of apps in ${variables.configFile.name}`]),
    ...(keepers(now) === keepers(next) ? [] : [`historySize in ${variables.configFile.name}`]),
    ...(mesh(now) === mesh(next) ? [] : ["NATS settings and MESH_ID"]),
  ];
}

/** Where the node is in a mesh, and as whom: the supervisor says so for its workers. */
function mesh({ nats, meshId }: Config): string {
  return nats === undefined ? "" : JSON.stringify([nats, meshId]);
}

/** The limits of apps, which the node keeps for all workers together. */
function budgets({ apps }: Config): string {
  const limits = [...apps].map(([app, { maxConnections, maxChannels }]) => [
    app,
    maxConnections ?? 0,
    maxChannels ?? 0,
  ]);
  return JSON.stringify(limits.filter(([, ...numbers]) => numbers.some((limit) => limit !== 0)));
}

/**
 * Which namespaces keep history: while workers disagree about that, some of what is published would be
 * missing from it and nobody would know.
 */
function keepers({ apps }: Config): string {
  const keepers = [...apps].flatMap(([app, { namespaces }]) => {
    const kept = [...namespaces].map(([name, { history }]) => [name, history !== undefined]);
    // Without any history a namespace more or less changes nothing.
    return kept.some(([, isKept]) => isKept === true) ? [[app, kept]] : [];
  });
  return JSON.stringify(keepers);
}

/** Replaces the workers, if the configuration as it is now lets new ones start; never throws. */
export async function restartWorkers(
  { context, config, log }: Pick<Preparation, "context" | "config" | "log">,
  { workers, quic }: { readonly workers: Workers; readonly quic: QuicService },
  progress: (news: RestartProgress) => void,
): Promise<RestartOutcome> {
  try {
    const next = configOf(settingsOf(context), {
      folder: context.folder,
      now: context.clock.now(),
    });
    const differences = fixedDifferences(config, next);
    if (differences.length > 0) {
      return failed(
        exitCodes.config,
        `a restart cannot change ${differences.join(", ")}: stop Starling and start it again`,
      );
    }
    await tlsMaterial(next, context.clock, "start");
    log.info({}, "restarting the workers one by one");
    await workers.restart((slot) => progress({ slot, slots: workers.count }));
    await quic.replace(next);
    log.info({}, "restarted");
    return { ok: true };
  } catch (error) {
    log.error({ error }, "a restart has failed");
    return failureOf(error);
  }
}

function failureOf(error: unknown): RestartOutcome {
  if (error instanceof ConfigError) return failed(exitCodes.config, error.message);
  if (error instanceof RestartRefused) return failed(exitCodes.temporaryFailure, error.message);
  if (error instanceof ReplacementFailed) {
    return failed(
      exitCodes.software,
      `${error.message}: the workers from this one on are still the old ones; see the log for the cause`,
    );
  }
  return failed(exitCodes.software, error instanceof Error ? error.message : String(error));
}

function failed(exitCode: number, message: string): RestartOutcome {
  return { ok: false, exitCode, message };
}
