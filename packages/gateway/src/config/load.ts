import { resolve } from "node:path";
import { DEFAULT_APP } from "@starling/core/hub/namespace.ts";
import { readAuth } from "./auth-settings.ts";
import type { CertificateSource, Config, LogLevel } from "./config.ts";
import { completeApps, type DeclaredApps, readConfigFile, withDemo } from "./config-file.ts";
import type { Environment } from "./environment.ts";
import { ConfigError, type ConfigFault } from "./fault.ts";
import { folderProblem } from "./folders.ts";
import { readHooks } from "./hook-settings.ts";
import type { DeclaredHook } from "./hooks.ts";
import { readNats } from "./nats-settings.ts";
import { admitsAnonymous, requirementFaults } from "./requirements.ts";
import { readSettings, type Settings } from "./settings.ts";
import { tlsFileProblems } from "./tls-files.ts";
import { variables } from "./variables.ts";

export interface LoadOptions {
  /** The variables of the `.env` file; those of the process precede them. Default: none. */
  readonly dotEnv?: Environment;
  /** The folder that relative paths start from. Default: the working directory. */
  readonly folder?: string;
  /** The moment that certificates must be valid at, ms since the epoch. Default: now. */
  readonly now?: number;
}

/**
 * The configuration that `environment` describes, with the files that it names.
 *
 * @throws ConfigError with every fault at once.
 */
export function loadConfig(environment: Environment, options: LoadOptions = {}): Config {
  return configOf(readSettings({ environment, ".env": options.dotEnv ?? {} }), options);
}

/**
 * The configuration of settings that are read already.
 *
 * @throws ConfigError with every fault at once.
 */
export function configOf(settings: Settings, options: LoadOptions = {}): Config {
  const { values, production } = settings;
  const folder = options.folder ?? process.cwd();
  const absolute = (path: string | undefined) => path && resolve(folder, path);
  const paths = {
    certFile: absolute(values.certFile),
    keyFile: absolute(values.keyFile),
    caFile: absolute(values.caFile),
  };
  const declared = declaredApps(settings, absolute(values.configFile));
  const auth = readAuth(settings, declared.keys, (path) => resolve(folder, path));
  const mesh = readNats(settings, (path) => resolve(folder, path));
  const { hooks, hookSettings, faults: hookFaults } = readHooks(settings, declared.hooks);
  const faults = [
    ...settings.faults,
    ...requirementFaults(settings),
    ...tlsFaults(settings, paths, options.now ?? Date.now()),
    ...folderFaults(settings, absolute),
    ...declared.faults,
    ...auth.faults,
    ...mesh.faults,
    ...hookFaults,
  ];
  if (faults.length > 0) throw new ConfigError(faults);

  return {
    production,
    replacedNames: settings.replacedNames,
    host: values.host,
    singlePort: values.singlePort,
    publisherPort: values.singlePort ?? values.publisherPort,
    subscriberPort: values.singlePort ?? values.subscriberPort,
    webTransport: values.webTransport,
    denoPath: absolute(values.denoPath),
    clusterMode: values.clusterMode,
    clusterInstances: values.clusterInstances,
    presenceLeaseMs: values.presenceLeaseMs,
    historyMaxBytes: values.historyMaxBytes,
    recoverySeconds: values.recoverySeconds,
    drainMs: values.drainSeconds * 1000,
    allowedOrigins: values.allowedOrigins ?? [],
    allowedIps: values.allowedIps ?? [],
    useProxy: values.useProxy,
    trustProxy: values.trustProxy ?? [],
    tls: {
      certificate: certificateSource(paths.certFile, paths.keyFile),
      caFile: paths.caFile,
      verifyOrigin: values.verifyOrigin,
    },
    token: {
      required: values.tokenRequired !== false && values.tokenSecret !== undefined,
      secret: values.tokenSecret ?? "",
      renewStartHour: values.tokenRenewStartHour,
      renewIntervalMs: values.tokenRenewIntervalMs,
      graceMs: values.tokenGraceMs,
    },
    anonymous: admitsAnonymous(settings),
    publicKeys: auth.publicKeys,
    jwt: auth.jwt,
    webhook: auth.webhook,
    logsDir: absolute(values.logsDir),
    logLevel: logLevel(settings),
    eventIdPattern: values.eventIdPattern,
    connectRatePerUser: values.connectRatePerUser,
    connectRatePerAddress: values.connectRatePerAddress,
    apiRatePerKey: values.apiRatePerKey,
    maxBodyBytes: values.maxBodyBytes,
    slowConsumerBytes: values.slowConsumerBytes,
    maxChannelsPerConnection: values.maxChannelsPerConnection,
    apiKeys: values.apiKeys ?? [],
    idempotencyWindowMs: values.idempotencyWindowMs,
    stateDir: resolve(folder, values.stateDir),
    messageRate: {
      ratePerSecond: values.messageRatePerConnection,
      burst: 2 * values.messageRatePerConnection,
    },
    maxHandshakes: values.maxHandshakes,
    authTimeoutMs: values.authTimeoutMs,
    engine: {
      pingIntervalMs: values.pingIntervalMs,
      pingTimeoutMs: values.pingTimeoutMs,
      maxPayloadBytes: values.maxPayloadBytes,
    },
    meshId: values.meshId ?? "",
    publicUrls: values.publicUrls ?? [],
    region: values.region,
    nats: mesh.nats,
    signalling: {
      maxPayloadBytes: values.signalMaxPayloadBytes,
      maxStateBytes: values.signalMaxStateBytes,
      pingIntervalMs: values.signalPingIntervalMs,
      pingTimeoutMs: values.signalPingTimeoutMs,
    },
    sseHeartbeatMs: values.sseHeartbeatMs,
    apps: completeApps(declared.apps, auth.publicKeys),
    hooks,
    hookSettings,
  };
}

function tlsFaults(
  settings: Settings,
  files: Record<"certFile" | "keyFile" | "caFile", string | undefined>,
  now: number,
): ConfigFault[] {
  return tlsFileProblems(files, now)
    .filter(({ tolerated }) => {
      return tolerated === "never" || (settings.production && tolerated === "in development");
    })
    .map(({ file, message }) => ({
      variable: settings.written(file)?.name ?? variables[file].name,
      value: settings.written(file)?.text,
      message,
    }));
}

/** Of the folders that a start makes and writes to. */
function folderFaults(
  settings: Settings,
  absolute: (path: string | undefined) => string | undefined,
): ConfigFault[] {
  return (["stateDir", "logsDir"] as const).flatMap((key) => {
    const path = absolute(settings.values[key]);
    const message = path === undefined ? undefined : folderProblem(path);
    if (message === undefined) return [];
    const { name, text } = settings.written(key) ?? { name: variables[key].name, text: undefined };
    return [{ variable: name, value: text, message }];
  });
}

function declaredApps(
  settings: Settings,
  path: string | undefined,
): DeclaredApps & { readonly faults: readonly ConfigFault[] } {
  const nothing = {
    apps: new Map([[DEFAULT_APP, { namespaces: new Map() }]]),
    keys: new Map<string, string>(),
    hooks: new Map<string, readonly DeclaredHook[]>(),
    faults: [],
  };
  const written = settings.written("configFile");
  const isSaid = path !== undefined && written !== undefined;
  const declared = {
    ...nothing,
    ...(isSaid ? readConfigFile(path, written.name, written.text) : {}),
  };
  return settings.production ? declared : { ...declared, apps: withDemo(declared.apps) };
}

function certificateSource(
  certFile: string | undefined,
  keyFile: string | undefined,
): CertificateSource {
  return certFile !== undefined && keyFile !== undefined
    ? { kind: "files", certFile, keyFile }
    : { kind: "development" };
}

function logLevel(settings: Settings): LogLevel {
  const { logLevel: chosen, enableDebug, debug } = settings.values;
  return chosen ?? (enableDebug || debug === "*" ? "debug" : "info");
}
