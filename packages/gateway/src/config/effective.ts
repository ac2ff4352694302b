import type { HookConfig } from "@starling/core/hooks/config.ts";
import type { Config } from "./config.ts";
import { type Settings, shown, variableEntries } from "./settings.ts";
import type { VariableKey } from "./variables.ts";

/**
 * The effective configuration as text: a line `NAME=value  # origin` for each variable, in the
 * syntax of `.env`, secrets masked, then the apps and their namespaces as comments.
 */
export function describeConfig(config: Config, settings: Settings): string {
  const lines: string[] = [];
  const following = followingFrom(config);
  for (const [key, variable] of variableEntries) {
    const setting = settings.written(key);
    if (replacedByPort.includes(key) && config.singlePort !== undefined) {
      lines.push(`# ${variable.name} is replaced: there is one port`);
      continue;
    }
    const value = following[key];
    if (setting === undefined && value !== undefined) {
      lines.push(`${variable.name}=${value} # follows from other settings`);
      continue;
    }
    if (setting === undefined) {
      const effect = (variable.otherwise ?? "no effect").replaceAll("`", "");
      lines.push(`# ${variable.name} is not set: ${effect}`);
      continue;
    }
    const from = setting.name === variable.name ? "" : `${setting.name} in `;
    lines.push(`${variable.name}=${quoted(shown(key, setting.text))} # ${from}${setting.origin}`);
  }
  for (const [app, { namespaces, signalling, ...limits }] of config.apps) {
    const keys = [...config.publicKeys.keys.values()].filter((owner) => owner === app).length;
    const accepted =
      app === config.publicKeys.openApp ? "every public key" : `public keys: ${keys}`;
    lines.push(`# app ${app}: ${accepted}, signalling ${signalling ?? "closed"}`);
    for (const [what, limit = 0] of [
      ["connections", limits.maxConnections],
      ["connections of one user", limits.maxConnectionsPerUser],
      ["channels", limits.maxChannels],
    ] as const) {
      if (limit > 0) lines.push(`# app ${app}: at most ${limit} ${what}`);
    }
    for (const hook of config.hooks.get(app) ?? []) lines.push(`# app ${app}, ${described(hook)}`);
    if (namespaces.size === 0) lines.push(`# app ${app}: no namespaces`);
    for (const [name, options] of namespaces) {
      const { history, ...others } = options;
      const parts = Object.entries({
        ...others,
        ...(history === undefined
          ? {}
          : { historySize: history.size, historyTtl: history.ttlMs / 1000 }),
      });
      const said = parts.map(([option, value]) => `${option} ${value}`).join(", ");
      lines.push(`# app ${app}, namespace ${name === "" ? '""' : name}: ${said}`);
    }
  }
  return lines.join("\n");
}

const replacedByPort: readonly VariableKey[] = ["publisherPort", "subscriberPort"];

/** What settings without a default of their own come to. */
function followingFrom(config: Config): Partial<Record<VariableKey, string>> {
  return { logLevel: config.logLevel, tokenRequired: config.anonymous ? "0" : "1" };
}

/** A hook without its secrets; its path and query may hold others. */
function described({ url, events, channels, secrets }: HookConfig): string {
  const where =
    channels.length === 0 ? "every channel" : channels.map(({ text }) => text).join(", ");
  const { origin } = new URL(url);
  return `hook at ${origin}: ${[...events].join(", ")} of ${where}, secrets: ${secrets.length}`;
}

/** Quotes where the value would otherwise end early when `.env` is read. */
function quoted(text: string): string {
  return /^[^\s#"'`]*$/.test(text) ? text : `'${text}'`;
}
