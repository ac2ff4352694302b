import type { HookSettings } from "@starling/core/hooks/config.ts";
import type { Hooks } from "@starling/core/hooks/hooks.ts";
import { tlsMaterial } from "../certificates/material.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/fault.ts";
import { configOf } from "../config/load.ts";
import { type VariableKey, variables } from "../config/variables.ts";
import type { RestartOutcome, RestartProgress } from "../node/control.ts";
import type { Directory } from "../node/directory.ts";
import type { RenewLink } from "../node/mesh-link.ts";
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
 * What the node does in NATS: workers that disagree would not hear one another, or change the streams to and
 * fro. How it is reached can change, as long as it is the same system.
 */
function meshDifferences({ nats: now }: Config, { nats: next }: Config): string[] {
  const parts = {
    natsPrefix: [now?.prefix, next?.prefix],
    natsJsDomain: [now?.streams.domain, next?.streams.domain],
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

class LinkRefused extends Error {}

/** What of a node a restart concerns. */
export interface RestartedParts {
  readonly workers: Workers;
  readonly quic: QuicService;
  readonly hooks: Pick<Hooks, "configure">;
  readonly directory: Pick<Directory, "configure">;
  /** Makes the supervisor's own link to NATS anew. */
  readonly renewLink: RenewLink;
}

/** Replaces the workers, if the configuration as it is now lets new ones start; never throws. */
export async function restartWorkers(
  { context, config, log }: Pick<Preparation, "context" | "config" | "log">,
  { workers, quic, hooks, directory, renewLink }: RestartedParts,
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
    // Workers that NATS refuses would replace some that it does not.
    await renewLink(next).catch((error: unknown) => {
      throw new LinkRefused(`NATS cannot be reached with its new settings: ${String(error)}`);
    });
    directory.configure(next);
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
  if (error instanceof LinkRefused) return failed(exitCodes.unavailable, error.message);
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
