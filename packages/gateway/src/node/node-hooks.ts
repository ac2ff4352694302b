import { Hooks } from "@starling/core/hooks/hooks.ts";
import type { Log } from "@starling/core/ports.ts";
import type { Config } from "../config/config.ts";
import { bunHttpClient } from "../runtime/http-client.ts";
import { systemClock, systemRandom } from "../runtime/system.ts";

/** The hooks of a node, in the process that has the node. */
export function nodeHooks(
  { hooks, hookSettings: settings, meshId }: Pick<Config, "hooks" | "hookSettings" | "meshId">,
  log: Log,
): Hooks {
  return new Hooks({
    hooks,
    settings,
    http: bunHttpClient,
    clock: systemClock,
    random: systemRandom,
    log,
    node: meshId,
  });
}
