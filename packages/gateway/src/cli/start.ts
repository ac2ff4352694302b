import { developmentCertificateFile } from "../certificates/state-files.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/fault.ts";
import { configOf } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import { type VariableKey, variables } from "../config/variables.ts";
import { configWarnings } from "../config/warnings.ts";
import { type ClosableLog, createLog } from "../ops/log.ts";
import { banner } from "./banner.ts";
import { type CommandContext, settingsOf } from "./context.ts";
import { onCrash } from "./crash.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";
import { exitNow } from "./exit-now.ts";
import { listenFault } from "./listen-fault.ts";
import { PidFile } from "./pid-file.ts";
import { StopSignals } from "./stop-signals.ts";
import { version } from "./version.ts";

/** How long an exit that should be at once waits for the last lines of the log. */
const LAST_LINES_MS = 200;

/** `starling start`: serves until a signal, then stops gracefully. */
export async function start(context: CommandContext): Promise<void> {
  const settings = settingsOf(context);
  const config = configOf(settings, { folder: context.folder, now: context.clock.now() });
  const pidFile = preparePidFile(config, settings);
  const log = openLog(config, settings);
  try {
    for (const warning of configWarnings(config, context.clock.now())) log.warn({}, warning);
    await serve(context, config, settings, log, pidFile);
  } finally {
    await log.close();
  }
}

async function serve(
  context: CommandContext,
  config: Config,
  settings: Settings,
  log: ClosableLog,
  pidFile: PidFile,
): Promise<void> {
  // Only this command needs the gateway, and loading it takes most of the time of the others.
  const { startGateway } = await import("../main.ts");
  const stopped = stopRequested(context, pidFile, log);
  onCrash(async (error) => {
    log.error({ error }, "uncaught error");
    pidFile.remove();
    await log.close();
  });
  const gateway = await startGateway(config, { log }).catch((error: unknown) => {
    const name = (key: VariableKey) => settings.written(key)?.name ?? variables[key].name;
    throw (
      listenFault(error, config, {
        host: name("host"),
        publisherPort: name("publisherPort"),
        subscriberPort: name("subscriberPort"),
        singlePort: name("singlePort"),
      }) ?? error
    );
  });
  const { publisherUrl, subscriberUrl } = gateway;
  const owner = pidFile.write();
  if (owner !== undefined) {
    log.warn({ file: pidFile.path, owner }, "another process owns the pid file: going on without");
  }
  try {
    log.info({ version, pid: process.pid, publisherUrl, subscriberUrl }, "started");
    if (!config.production || process.stdout.isTTY) {
      // The banner is for a person, who should find it below the lines of the log; a reader that
      // has stalled must not keep the gateway from stopping.
      await Promise.race([log.written(), stopped]);
      const certFile = developmentCertificateFile(config.stateDir);
      context.out(banner(config, { version, publisherUrl, subscriberUrl, certFile }));
    }
    const signal = await stopped;
    log.info({ signal }, "stopping");
    await gateway.stop();
    log.info({}, "stopped");
  } finally {
    pidFile.remove();
  }
}

/** Resolves with the first signal to stop; a later one exits at once. */
function stopRequested(
  context: CommandContext,
  pidFile: PidFile,
  log: ClosableLog,
): Promise<NodeJS.Signals> {
  const signals = new StopSignals(context.clock);
  return new Promise((resolve) => {
    for (const [signal, number] of [
      ["SIGINT", 2],
      ["SIGTERM", 15],
    ] as const) {
      process.on(signal, () => {
        const action = signals.received();
        if (action === "stop") resolve(signal);
        if (action !== "exit") return;
        pidFile.remove();
        const exit = () => exitNow(128 + number);
        log.close().then(exit, exit);
        context.clock.setTimeout(exit, LAST_LINES_MS);
      });
    }
  });
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
