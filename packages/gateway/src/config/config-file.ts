import { readFileSync } from "node:fs";
import { type AppConfig, defaultNamespace } from "@starling/core/hub/namespace.ts";
import { type Document, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import type { ConfigFault } from "./fault.ts";

/** The app that requests without an app name, and the earlier generations, belong to. */
export const DEFAULT_APP = "default";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const name = z
  .string()
  .regex(NAME, "a name is 1 to 64 letters, digits, - and _, and begins with a letter or digit");

const audience = z.enum(["nobody", "anyone"]);

/** The options of a namespace, with what the reference says of them. */
export const namespaceSchema = z
  .strictObject({
    subscribe: audience
      .default(defaultNamespace.subscribe)
      .describe(
        "who may subscribe beside the owner of a channel, the user whose id is the channel's name",
      ),
    publish: audience
      .default(defaultNamespace.publish)
      .describe("which connections may publish; the publisher API always may"),
    volatile: z
      .boolean()
      .default(defaultNamespace.volatile)
      .describe("drops a message for a subscriber that is not ready to receive at that moment"),
  })
  .readonly();

const namespaces = z.record(z.union([z.literal(""), name]), namespaceSchema);

const fileSchema = z
  .strictObject({
    namespaces: namespaces.optional(),
    apps: z.record(name, z.strictObject({ namespaces: namespaces.optional() })).optional(),
  })
  .superRefine((file, context) => {
    if (file.namespaces === undefined || file.apps?.[DEFAULT_APP]?.namespaces === undefined) return;
    context.addIssue({
      code: "custom",
      path: ["apps", DEFAULT_APP, "namespaces"],
      message: "the namespaces of the default app are at the top level already",
    });
  });

/** The apps where no file is configured; in development `demo:...` is open to anyone. */
export function appsWithoutFile(production: boolean): ReadonlyMap<string, AppConfig> {
  const demo = { subscribe: "anyone", publish: "anyone", volatile: false } as const;
  return new Map([[DEFAULT_APP, { namespaces: new Map(production ? [] : [["demo", demo]]) }]]);
}

/** The apps of a file, or its faults; `variable` and `value` are how the user named the file. */
export function readConfigFile(
  path: string,
  variable: string,
  value: string,
): { readonly apps?: ReadonlyMap<string, AppConfig>; readonly faults: readonly ConfigFault[] } {
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
  if (result.success) return { apps: appsOf(result.data), faults: [] };
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

function appsOf(file: z.output<typeof fileSchema>): ReadonlyMap<string, AppConfig> {
  const apps = new Map<string, AppConfig>([
    [DEFAULT_APP, { namespaces: new Map(Object.entries(file.namespaces ?? {})) }],
  ]);
  for (const [app, options] of Object.entries(file.apps ?? {})) {
    if (app === DEFAULT_APP && options.namespaces === undefined) continue;
    apps.set(app, { namespaces: new Map(Object.entries(options.namespaces ?? {})) });
  }
  return apps;
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
