import type { HookSettings } from "@starling/core/hooks/config.ts";
import type { Hooks } from "@starling/core/hooks/hooks.ts";
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
  "meshId",
] as const satisfies readonly (VariableKey & keyof Config)[];

const HOOK_SETTINGS = [
  ["batchEvents", "hooksBatchEvents"],
  ["batchMs", "hooksBatchMs"],
  ["timeoutMs", "hooksTimeoutMs"],
  ["queueEvents", "hooksQueueEvents"],
  ["queueBytes", "hooksQueueBytes"],
  ["maxAgeMs", "hooksMaxAgeMs"],
  ["vacatedMs", "hooksVacatedMs"],
  ["drainMs", "hooksDrainMs"],
] as const satisfies readonly (readonly [keyof HookSettings, VariableKey])[];

/** Names of the settings that a restart cannot change, and that differ. */
export function fixedDifferences(now: Config, next: Config): string[] {
  return [
    ...FIXED.filter((key) => now[key] !== next[key]).map((key) => variables[key].name),
    ...(now.drainMs === next.drainMs ? [] : [variables.drainSeconds.name]),
    ...differingHookSettings(now, next),
    ...(budgets(now) === budgets(next) ? [] : [`limits of apps in ${variables.configFile.name}`]),
    ...(keepers(now) === keepers(next) ? [] : [`historySize in ${variables.configFile.name}`]),
    ...meshDifferences(now, next),
  ];
}

/**
 * How NATS is reached, and what the node does there. The supervisor has a link of its own, for members: with an old
 * password it would not come back when the link breaks. Workers that disagree would not hear one another,
 * or change the streams to and fro.
 */
function meshDifferences({ nats: now }: Config, { nats: next }: Config): string[] {
  const parts = {
    natsUrl: [now?.servers.join(), next?.servers.join()],
    natsUser: [now?.user, next?.user],
    natsPassword: [now?.password, next?.password],
    natsToken: [now?.token, next?.token],
    natsCredentials: [now?.credentials, next?.credentials],
    natsCa: [now?.tls?.ca, next?.tls?.ca],
    natsCert: [now?.tls?.cert, next?.tls?.cert],
    natsKey: [now?.tls?.key, next?.tls?.key],
    natsPrefix: [now?.prefix, next?.prefix],
    natsReplicas: [now?.streams.replicas, next?.streams.replicas],
    natsStorage: [now?.streams.storage, next?.streams.storage],
  } as const satisfies { [key in VariableKey]?: readonly [unknown, unknown] };
  if ((now === undefined) !== (next === undefined)) return [variables.natsUrl.name];
  return (Object.keys(parts) as (keyof typeof parts)[])
    .filter((key) => parts[key][0] !== parts[key][1])
    .map((key) => variables[key].name);
}

/** How hooks send; which there are, and their secrets, can change. */
function differingHookSettings(now: Config, next: Config): string[] {
  return HOOK_SETTINGS.filter(
    ([field]) => now.hookSettings[field] !== next.hookSettings[field],
  ).map(([, key]) => variables[key].name);
}

/** The limits of apps, which the node keeps for all workers together. */
function budgets({ apps }: Config): string {
  const limits = [...apps].map(([app, config]) => [
    app,
    config.maxConnections ?? 0,
    config.maxConnectionsPerUser ?? 0,
    config.maxChannels ?? 0,
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

/** What of a node a restart concerns. */
export interface RestartedParts {
  readonly workers: Workers;
  readonly quic: QuicService;
  readonly hooks: Pick<Hooks, "configure">;
}

/** Replaces the workers, if the configuration as it is now lets new ones start; never throws. */
export async function restartWorkers(
  { context, config, log }: Pick<Preparation, "context" | "config" | "log">,
  { workers, quic, hooks }: RestartedParts,
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
    hooks.configure(next.hooks);
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
