import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/fault.ts";
import { configOf } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import { variables } from "../config/variables.ts";
import { configWarnings } from "../config/warnings.ts";
import { type ClosableLog, createLog } from "../ops/log.ts";
import { type CommandContext, settingsOf } from "./context.ts";
import { onCrash } from "./crash.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";
import { PidFile } from "./pid-file.ts";
import { stopRequested } from "./stop-requested.ts";

/** `starling start`: serves until a signal, then stops gracefully. */
export async function start(context: CommandContext): Promise<void> {
  const settings = settingsOf(context);
  const config = configOf(settings, { folder: context.folder, now: context.clock.now() });
  const pidFile = preparePidFile(config, settings);
  const log = openLog(config, settings);
  const lastWishes = [() => pidFile.remove()];
  const stopped = stopRequested(context.clock, log, () => {
    for (const grant of lastWishes) grant();
  });
  onCrash(async (error) => {
    log.error({ error }, "uncaught error");
    pidFile.remove();
    await log.close();
  });
  const own = () => {
    const owner = pidFile.write();
    if (owner === undefined) return;
    log.warn({ file: pidFile.path, owner }, "another process owns the pid file: going on without");
  };
  try {
    for (const warning of configWarnings(config, context.clock.now())) log.warn({}, warning);
    // Only this command needs the gateway, and loading it takes most of the time of the others.
    const serve = config.clusterMode
      ? (await import("./supervise.ts")).supervise
      : (await import("./serve.ts")).serve;
    await serve({ context, config, settings, log, stopped, lastWishes, own });
  } finally {
    pidFile.remove();
    await log.close();
  }
}

function preparePidFile(config: Config, settings: Settings): PidFile {
  try {
    return new PidFile(config.stateDir, process.pid);
  } catch (error) {
    throw folderFault(error, "stateDir", settings);
  }
}

function openLog(config: Config, settings: Settings): ClosableLog {
  try {
    return createLog({ level: config.logLevel, logsDir: config.logsDir });
  } catch (error) {
    throw folderFault(error, "logsDir", settings);
  }
}

/** A folder that the system does not give, as a fault of the variable that names it. */
function folderFault(error: unknown, key: "stateDir" | "logsDir", settings: Settings): Error {
  if (!(error instanceof Error && "code" in error)) {
    return new CommandError(exitCodes.software, String(error), { cause: error });
  }
  return new ConfigError([
    {
      variable: settings.written(key)?.name ?? variables[key].name,
      value: settings.written(key)?.text,
      message: `the folder cannot be used (${String(error.code)})`,
    },
  ]);
}
