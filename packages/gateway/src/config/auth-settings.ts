import { DEFAULT_APP } from "@starling/core/hub/namespace.ts";
import type { JwtConfig, PublicKeysConfig, WebhookConfig } from "./config.ts";
import type { ConfigFault } from "./fault.ts";
import { readJwtPublicKey } from "./jwt-public-key.ts";
import { type Settings, shown } from "./settings.ts";
import { type VariableKey, variables } from "./variables.ts";

/** How clients prove who they are, beside the rotating token. */
export interface AuthSettings {
  readonly publicKeys: PublicKeysConfig;
  readonly jwt: JwtConfig | undefined;
  readonly webhook: WebhookConfig | undefined;
  readonly faults: readonly ConfigFault[];
}

/**
 * Reads the settings of authentication; `fileKeys` are the public keys of the configuration file,
 * and `absolute` makes a path absolute.
 */
export function readAuth(
  settings: Settings,
  fileKeys: ReadonlyMap<string, string>,
  absolute: (path: string) => string,
): AuthSettings {
  const faults: ConfigFault[] = [];
  const report = (key: VariableKey, message: string): void => {
    const setting = settings.written(key);
    faults.push({
      variable: setting?.name ?? variables[key].name,
      value: setting && shown(key, setting.text),
      message,
    });
  };
  const publicKeys = publicKeysOf(settings, fileKeys, report);
  const jwt = jwtOf(settings, absolute, report);
  return { publicKeys, jwt, webhook: webhookOf(settings), faults };
}

type Report = (key: VariableKey, message: string) => void;

function publicKeysOf(
  { values, production }: Settings,
  fileKeys: ReadonlyMap<string, string>,
  report: Report,
): PublicKeysConfig {
  const keys = new Map(fileKeys);
  for (const [key, app] of values.publicKeys ?? []) {
    const other = fileKeys.get(key);
    if (other !== undefined && other !== app) {
      report("publicKeys", `"${key}" belongs to the app ${other} in ${variables.configFile.name}`);
    }
    keys.set(key, app);
  }
  // An empty list is a statement: no key at all.
  const isUnsaid = keys.size === 0 && values.publicKeys === undefined;
  return { keys, openApp: isUnsaid && !production ? DEFAULT_APP : undefined };
}

function jwtOf(
  { values }: Settings,
  absolute: (path: string) => string,
  report: Report,
): JwtConfig | undefined {
  const { jwtSecret, jwtPublicKey, jwtKeySetUrl } = values;
  if (jwtSecret === undefined && jwtPublicKey === undefined && jwtKeySetUrl === undefined) {
    return undefined;
  }
  if (jwtPublicKey !== undefined && jwtKeySetUrl !== undefined) {
    report("jwtPublicKey", `cannot be set together with ${variables.jwtKeySetUrl.name}`);
  }
  const publicKey = jwtPublicKey === undefined ? {} : readJwtPublicKey(jwtPublicKey, absolute);
  if (publicKey.fault !== undefined) report("jwtPublicKey", publicKey.fault);
  return {
    secret: jwtSecret,
    publicKey: publicKey.pem,
    keySet:
      jwtKeySetUrl === undefined
        ? undefined
        : {
            url: jwtKeySetUrl,
            maxAgeMs: values.jwtKeySetMaxAgeMs,
            cooldownMs: values.jwtKeySetCooldownMs,
          },
    issuer: values.jwtIssuer,
    audience: values.jwtAudience,
    leewaySeconds: values.jwtLeewaySeconds,
  };
}

function webhookOf({ values }: Settings): WebhookConfig | undefined {
  if (values.webhookUrl === undefined) return undefined;
  return {
    url: values.webhookUrl,
    secret: values.webhookSecret,
    timeoutMs: values.webhookTimeoutMs,
    retries: values.webhookRetries,
    cacheMs: values.webhookCacheMs,
    concurrency: values.webhookConcurrency,
    breakerFailures: values.webhookBreakerFailures,
    breakerPauseMs: values.webhookBreakerPauseMs,
  };
}
