import { readFileSync } from "node:fs";
import { areCredentials, type NatsConfig } from "@starling/core/broker/nats/config.ts";
import type { ConfigFault } from "./fault.ts";
import type { Settings } from "./settings.ts";
import { type VariableKey, variables } from "./variables.ts";

const PORT = 4222;

/** How NATS is reached; undefined where no server is configured. */
export function readNats(
  settings: Settings,
  resolve: (path: string) => string,
): { readonly nats: NatsConfig | undefined; readonly faults: readonly ConfigFault[] } {
  const { values } = settings;
  const { natsUrl } = values;
  const [first] = natsUrl ?? [];
  if (natsUrl === undefined || first === undefined) return { nats: undefined, faults: [] };
  const faults: ConfigFault[] = [];
  const contentOf = (key: VariableKey, path: string | undefined): string | undefined => {
    if (path === undefined) return undefined;
    try {
      return readFileSync(resolve(path), "utf8");
    } catch {
      const { name, text } = settings.written(key) ?? { name: variables[key].name, text: path };
      faults.push({ variable: name, value: text, message: "cannot be read" });
      return undefined;
    }
  };
  const credentials = contentOf("natsCredentials", values.natsCredentials);
  if (credentials !== undefined && !areCredentials(credentials)) {
    const { name, text } = settings.written("natsCredentials") ?? {
      name: variables.natsCredentials.name,
      text: values.natsCredentials,
    };
    faults.push({ variable: name, value: text, message: "holds no seed of a user" });
  }
  const tls = {
    ca: contentOf("natsCa", values.natsCa),
    cert: contentOf("natsCert", values.natsCert),
    key: contentOf("natsKey", values.natsKey),
  };
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    const message = "a certificate and its key come together";
    faults.push({ variable: variables.natsKey.name, value: undefined, message });
  }
  const asksForTls =
    natsUrl.some(({ protocol }) => protocol === "tls:") ||
    Object.values(tls).some((pem) => pem !== undefined);
  const nats: NatsConfig = {
    servers: natsUrl.map(({ hostname, port }) => `${hostname}:${port === "" ? PORT : port}`),
    user: values.natsUser ?? textOf(first.username),
    password: values.natsPassword ?? textOf(first.password),
    token: values.natsToken,
    credentials,
    tls: asksForTls ? tls : undefined,
    prefix: values.natsPrefix,
    streams: {
      domain: values.natsJsDomain,
      replicas: values.natsReplicas,
      storage: values.natsStorage,
      idempotencyWindowMs: values.idempotencyWindowMs,
    },
  };
  return { nats, faults };
}

function textOf(part: string): string | undefined {
  return part === "" ? undefined : decodeURIComponent(part);
}
