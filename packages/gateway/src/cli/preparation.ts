import type { Config } from "../config/config.ts";
import type { Settings } from "../config/settings.ts";
import type { ClosableLog } from "../ops/log.ts";
import type { CommandContext } from "./context.ts";

/** What a start has prepared before it serves. */
export interface Preparation {
  readonly context: CommandContext;
  readonly config: Config;
  readonly settings: Settings;
  readonly log: ClosableLog;
  /** Resolves with the first signal to stop. */
  readonly stopped: Promise<NodeJS.Signals>;
  /** To be done before a second signal ends the process at once. */
  readonly lastWishes: (() => void)[];
  /** Writes the pid file, once the gateway serves. */
  own(): void;
}
