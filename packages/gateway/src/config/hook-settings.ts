import type { HookConfig, HookConfigs, HookSettings } from "@starling/core/hooks/config.ts";
import type { ConfigFault } from "./fault.ts";
import type { DeclaredHook } from "./hooks.ts";
import type { Settings } from "./settings.ts";
import { variables } from "./variables.ts";

/** Where events of apps are sent, and how. */
export interface HookFields {
  readonly hooks: HookConfigs;
  readonly hookSettings: HookSettings;
  readonly faults: readonly ConfigFault[];
}

/** Completes the hooks that the configuration file declares, by app. */
export function readHooks(
  settings: Settings,
  declared: ReadonlyMap<string, readonly DeclaredHook[]>,
): HookFields {
  const { values } = settings;
  const faults: ConfigFault[] = [];
  const hooks = new Map<string, readonly HookConfig[]>();
  const standard = values.hooksSecrets ?? [];
  for (const [app, ofApp] of declared) {
    const complete = ofApp.map(({ url, events, channels, secrets = standard }): HookConfig => {
      return { url, events: new Set(events), channels, secrets };
    });
    hooks.set(app, complete);
    if (complete.every(({ secrets }) => secrets.length > 0)) continue;
    if (settings.isFaulty("hooksSecrets")) continue;
    faults.push({
      variable: variables.hooksSecrets.name,
      value: undefined,
      message: `a hook of the app ${app} in ${variables.configFile.name} has no secrets of its own`,
    });
  }
  return { hooks, hookSettings: settingsOf(settings), faults };
}

function settingsOf({ values }: Settings): HookSettings {
  return {
    batchEvents: values.hooksBatchEvents,
    batchMs: values.hooksBatchMs,
    timeoutMs: values.hooksTimeoutMs,
    queueEvents: values.hooksQueueEvents,
    queueBytes: values.hooksQueueBytes,
    maxAgeMs: values.hooksMaxAgeMs,
    vacatedMs: values.hooksVacatedMs,
    drainMs: values.hooksDrainMs,
  };
}
