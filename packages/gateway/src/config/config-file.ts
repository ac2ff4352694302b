import { readFileSync } from "node:fs";
import {
  type AppConfig,
  DEFAULT_APP,
  defaultNamespace,
  type NamespaceConfig,
  type SignallingPolicy,
} from "@starling/core/hub/namespace.ts";
import { type Document, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import type { ConfigFault } from "./fault.ts";
import { type DeclaredHook, hooksSchema } from "./hooks.ts";
import { NAME, NAME_RULE, PUBLIC_KEY, PUBLIC_KEY_RULE } from "./names.ts";
import { namespaceSchema } from "./namespaces.ts";

const name = z.string().regex(NAME, NAME_RULE);
const publicKey = z.string().regex(PUBLIC_KEY, PUBLIC_KEY_RULE);
const limit = z.int().min(0).max(10_000_000);
const limits = z.strictObject({
  connections: limit.optional(),
  connectionsPerUser: limit.optional(),
  channels: limit.optional(),
});

const namespaces = z.record(z.union([z.literal(""), name]), namespaceSchema);

/** What is said of one app. */
const appSections = {
  keys: z.array(publicKey).optional(),
  signalling: z.enum(["open", "closed"]).optional(),
  limits: limits.optional(),
  namespaces: namespaces.optional(),
  hooks: hooksSchema.optional(),
};
const appSchema = z.strictObject(appSections);

const fileSchema = z
  .strictObject({ ...appSections, apps: z.record(name, appSchema).optional() })
  .superRefine((file, context) => {
    for (const section of Object.keys(appSections) as (keyof typeof appSections)[]) {
      if (file[section] === undefined || file.apps?.[DEFAULT_APP]?.[section] === undefined)
        continue;
      context.addIssue({
        code: "custom",
        path: ["apps", DEFAULT_APP, section],
        message: `the ${section} of the default app are at the top level already`,
      });
    }
    const owners = new Map<string, string>();
    for (const { app, path, keys } of keySections(file)) {
      for (const [index, key] of keys.entries()) {
        const owner = owners.get(key);
        owners.set(key, app);
        if (owner === undefined || owner === app) continue;
        context.addIssue({
          code: "custom",
          path: [...path, index],
          message: `the key belongs to the app ${owner} already`,
        });
      }
    }
  });

/** What a file declares. */
export interface DeclaredApps {
  /** By name; always has `default`. `signalling` is there where the file says it. */
  readonly apps: ReadonlyMap<string, AppConfig>;
  /** The app of each public key. */
  readonly keys: ReadonlyMap<string, string>;
  /** The hooks of each app that has any. */
  readonly hooks: ReadonlyMap<string, readonly DeclaredHook[]>;
}

const demoNamespace: NamespaceConfig = {
  ...defaultNamespace,
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
};

/** The apps with a namespace `demo` that is open to anyone, unless one of that name is declared. */
export function withDemo(apps: ReadonlyMap<string, AppConfig>): ReadonlyMap<string, AppConfig> {
  const app = apps.get(DEFAULT_APP);
  const namespaces = new Map([["demo", demoNamespace], ...(app?.namespaces ?? [])]);
  return new Map([...apps, [DEFAULT_APP, { ...app, namespaces }]]);
}

/**
 * The apps that there are: the declared ones and those of public keys, each with its policy for
 * clients of the signalling protocol.
 *
 * That protocol knows no permissions: whoever has a key joins any channel. An app that has a key,
 * and in development the app that every key leads to, therefore is open to such clients wherever no
 * namespace is declared, unless the file says otherwise.
 */
export function completeApps(
  declared: ReadonlyMap<string, AppConfig>,
  { keys, openApp }: { keys: ReadonlyMap<string, string>; openApp: string | undefined },
): ReadonlyMap<string, AppConfig> {
  const withKeys = new Set(keys.values());
  const names = new Set([...declared.keys(), ...withKeys]);
  return new Map(
    [...names].map((app) => {
      const { namespaces = new Map(), signalling, ...limits } = declared.get(app) ?? {};
      const usual: SignallingPolicy = withKeys.has(app) || app === openApp ? "open" : "closed";
      return [app, { ...limits, namespaces, signalling: signalling ?? usual }];
    }),
  );
}

/** The apps of a file, or its faults; `variable` and `value` are how the user named the file. */
export function readConfigFile(
  path: string,
  variable: string,
  value: string,
): Partial<DeclaredApps> & { readonly faults: readonly ConfigFault[] } {
  const fault = (message: string): ConfigFault => ({ variable, value, message });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return { faults: [fault(`${path} cannot be read (${codeOf(error)})`)] };
  }
  const lines = new LineCounter();
  // YAML 1.2 contains JSON, so one parser reads both and finds repeated keys in both.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    return { faults: document.errors.map((e) => fault(`${at(e.pos[0])}: ${e.message}`)) };
  }
  let content: unknown;
  try {
    content = document.toJS();
  } catch (error) {
    return { faults: [fault(`${path}: ${error instanceof Error ? error.message : "unreadable"}`)] };
  }
  const result = fileSchema.safeParse(content ?? {});
  if (result.success) return { ...declaredBy(result.data), faults: [] };
  return {
    faults: result.error.issues.flatMap((issue) =>
      unfolded(issue).map(({ path: keys, message }) => {
        const offset = offsetOf(document, keys);
        const place = offset === undefined ? path : at(offset);
        return fault(`${place}: ${keys.length === 0 ? "" : `${keys.join(".")}: `}${message}`);
      }),
    ),
  };
}

/** A fault of a key is reported at that key, with what is wrong with it. */
function unfolded(issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string }[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: "unknown key" }));
  }
  if (issue.code === "invalid_key") {
    return [
      {
        path: issue.path,
        message: name.safeParse(issue.path.at(-1)).error?.issues[0]?.message ?? issue.message,
      },
    ];
  }
  return [{ path: issue.path, message: issue.message }];
}

type File = z.output<typeof fileSchema>;

function declaredBy(file: File): DeclaredApps {
  const sections = new Map([[DEFAULT_APP, { ...file, ...file.apps?.[DEFAULT_APP] }]]);
  for (const [app, section] of Object.entries(file.apps ?? {})) {
    if (app !== DEFAULT_APP) sections.set(app, section);
  }
  const apps = new Map<string, AppConfig>();
  const ofApps = new Map<string, readonly DeclaredHook[]>();
  for (const [app, { namespaces = {}, signalling, limits, hooks = [] }] of sections) {
    if (hooks.length > 0) ofApps.set(app, hooks);
    const isHooked = hooks.some(({ events }) => {
      return events.includes("connect") || events.includes("disconnect");
    });
    const perUser = limits?.connectionsPerUser;
    const tellsConnections = isHooked || (perUser ?? 0) > 0;
    apps.set(app, {
      namespaces: new Map(Object.entries(namespaces)),
      ...(signalling === undefined ? {} : { signalling }),
      ...(limits?.connections === undefined ? {} : { maxConnections: limits.connections }),
      ...(perUser === undefined ? {} : { maxConnectionsPerUser: perUser }),
      ...(limits?.channels === undefined ? {} : { maxChannels: limits.channels }),
      ...(tellsConnections ? { tellsConnections } : {}),
    });
  }
  const keys = keySections(file).flatMap(({ app, keys }) => keys.map((key) => [key, app] as const));
  return { apps, keys: new Map(keys), hooks: ofApps };
}

/** The lists of public keys, with their app and their place. */
function keySections(
  file: File,
): { readonly app: string; readonly path: readonly string[]; readonly keys: readonly string[] }[] {
  return [
    { app: DEFAULT_APP, path: ["keys"], keys: file.keys ?? [] },
    ...Object.entries(file.apps ?? {}).map(([app, { keys = [] }]) => {
      return { app, path: ["apps", app, "keys"], keys };
    }),
  ];
}

/** Where a value stands in the text, or the nearest thing around it. */
function offsetOf(document: Document, keys: readonly PropertyKey[]): number | undefined {
  for (let length = keys.length; length > 0; length -= 1) {
    const node = document.getIn(keys.slice(0, length), true);
    if (node !== null && typeof node === "object" && "range" in node && Array.isArray(node.range)) {
      const [start] = node.range;
      if (typeof start === "number") return start;
    }
  }
  return undefined;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
