import { describeConfig } from "../config/effective.ts";
import { configOf } from "../config/load.ts";
import { configWarnings } from "../config/warnings.ts";
import { type CommandContext, settingsOf } from "./context.ts";

/**
 * `starling check-config`: prints the effective configuration, and warnings on standard error.
 *
 * @throws ConfigError with every fault.
 */
export function checkConfig(context: CommandContext): void {
  const settings = settingsOf(context);
  const config = configOf(settings, { folder: context.folder, now: context.clock.now() });
  context.out(`${describeConfig(config, settings)}\n`);
  for (const warning of configWarnings(config, context.clock.now()))
    context.err(`warning: ${warning}\n`);
}
