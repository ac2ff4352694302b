import type { Clock } from "@starling/core/ports.ts";
import { type Environment, readDotEnv } from "../config/environment.ts";
import { ConfigError } from "../config/fault.ts";
import { readSettings, type Settings } from "../config/settings.ts";
import type { VariableKey } from "../config/variables.ts";

/** What a command gets from the process that it runs in. */
export interface CommandContext {
  readonly environment: Environment;
  /** The folder of `.env`, and the one that relative paths start from. */
  readonly folder: string;
  readonly clock: Clock;
  /** Writes to standard output. */
  out(text: string): void;
  /** Writes to standard error. */
  err(text: string): void;
}

/** Reads the settings of the environment and of `.env`; faults are left to the caller. */
export function settingsOf(context: CommandContext): Settings {
  return readSettings({
    environment: context.environment,
    ".env": readDotEnv(context.folder),
  });
}

/**
 * Settings for a command that uses only `keys` of them, so that it works where others are faulty.
 *
 * @throws ConfigError where one of `keys` is faulty.
 */
export function settingsFor(context: CommandContext, keys: readonly VariableKey[]): Settings {
  const settings = settingsOf(context);
  const faults = settings.faults.filter((fault) => keys.includes(fault.key));
  if (faults.length > 0) throw new ConfigError(faults);
  return settings;
}
