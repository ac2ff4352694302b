import { resolve } from "node:path";
import { readAuth } from "./auth-settings.ts";
import type { CertificateSource, Config, LogLevel } from "./config.ts";
import { appsWithoutFile, completeApps, type DeclaredApps, readConfigFile } from "./config-file.ts";
import type { Environment } from "./environment.ts";
import { ConfigError, type ConfigFault } from "./fault.ts";
import { readSettings, type Settings, shown } from "./settings.ts";
import { tlsFileProblems } from "./tls-files.ts";
import { type VariableKey, variables } from "./variables.ts";

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
  const required = values.tokenRequired ?? (production || values.tokenSecret !== undefined);
  const paths = {
    certFile: absolute(values.certFile),
    keyFile: absolute(values.keyFile),
    caFile: absolute(values.caFile),
  };
  const declared = declaredApps(settings, absolute(values.configFile));
  const auth = readAuth(settings, declared.keys, (path) => resolve(folder, path));
  const faults = [
    ...settings.faults,
    ...missing(settings, required),
    ...tlsFaults(settings, paths, options.now ?? Date.now()),
    ...declared.faults,
    ...auth.faults,
  ];
  if (faults.length > 0) throw new ConfigError(faults);

  return {
    production,
    host: values.host,
    publisherPort: values.publisherPort,
    subscriberPort: values.subscriberPort,
    clusterMode: values.clusterMode,
    clusterInstances: values.clusterInstances,
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
      required,
      secret: values.tokenSecret ?? "",
      renewStartHour: values.tokenRenewStartHour,
      renewIntervalMs: values.tokenRenewIntervalMs,
      graceMs: values.tokenGraceMs,
    },
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
    maxHandshakes: values.maxHandshakes,
    authTimeoutMs: values.authTimeoutMs,
    engine: {
      pingIntervalMs: values.pingIntervalMs,
      pingTimeoutMs: values.pingTimeoutMs,
      maxPayloadBytes: values.maxPayloadBytes,
    },
    apps: completeApps(declared.apps, auth.publicKeys),
  };
}

/** The faults of settings that others, or production, make necessary. */
function missing(settings: Settings, tokenRequired: boolean): ConfigFault[] {
  const { values, production } = settings;
  const faults: ConfigFault[] = [];
  const need = (key: VariableKey, isSet: boolean, message: string) => {
    if (isSet || settings.isFaulty(key)) return;
    const setting = settings.written(key);
    faults.push({
      variable: setting?.name ?? variables[key].name,
      value: setting && shown(key, setting.text),
      message,
    });
  };
  const nameOf = (key: VariableKey) => settings.written(key)?.name ?? variables[key].name;

  const { certFile, keyFile } = values;
  if (production) {
    need("certFile", certFile !== undefined, "production needs a certificate, a PEM file");
    need(
      "keyFile",
      keyFile !== undefined,
      "production needs the key of its certificate, a PEM file",
    );
    need(
      "allowedIps",
      (values.allowedIps ?? []).length > 0,
      "production needs the addresses that may publish, such as 192.0.2.10 or 10.0.0.0/8",
    );
  } else if (certFile === undefined) {
    need("certFile", keyFile === undefined, `${nameOf("keyFile")} needs its certificate`);
  } else {
    need("keyFile", keyFile !== undefined, `${nameOf("certFile")} needs its private key`);
  }
  if (tokenRequired && !settings.isFaulty("tokenRequired")) {
    const asker =
      values.tokenRequired === undefined ? "production" : `${nameOf("tokenRequired")}=1`;
    need(
      "tokenSecret",
      values.tokenSecret !== undefined,
      `${asker} needs the secret of the rotating token; ${variables.tokenRequired.name}=0 lets anybody subscribe`,
    );
  }
  if (values.verifyOrigin) {
    need(
      "caFile",
      values.caFile !== undefined,
      `${nameOf("verifyOrigin")}=1 needs a PEM file of authorities`,
    );
  }
  const { publisherPort, subscriberPort } = values;
  need(
    "subscriberPort",
    publisherPort !== subscriberPort || publisherPort === 0 || settings.isFaulty("publisherPort"),
    `is the port of publishers (${nameOf("publisherPort")}); the two must differ`,
  );
  if (values.useProxy) {
    need(
      "trustProxy",
      (values.trustProxy ?? []).length > 0,
      `${nameOf("useProxy")}=1 needs the addresses of the proxies`,
    );
  }
  return faults;
}

function tlsFaults(
  settings: Settings,
  files: Record<"certFile" | "keyFile" | "caFile", string | undefined>,
  now: number,
): ConfigFault[] {
  return tlsFileProblems(files, now)
    .filter((problem) => settings.production || !problem.startable)
    .map(({ file, message }) => ({
      variable: settings.written(file)?.name ?? variables[file].name,
      value: settings.written(file)?.text,
      message,
    }));
}

function declaredApps(
  settings: Settings,
  path: string | undefined,
): DeclaredApps & { readonly faults: readonly ConfigFault[] } {
  const fallback = {
    apps: appsWithoutFile(settings.production),
    keys: new Map<string, string>(),
    faults: [],
  };
  const written = settings.written("configFile");
  if (path === undefined || written === undefined) return fallback;
  return { ...fallback, ...readConfigFile(path, written.name, written.text) };
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
