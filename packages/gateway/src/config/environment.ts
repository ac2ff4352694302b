import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { ConfigError, type ConfigFault, MASK } from "./fault.ts";
import type { Variable } from "./variable.ts";

/** Variables by name; an empty one counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a value comes from, the first of these that has it. */
export type Origin = "environment" | ".env" | "default";

/** The places of variables, in order of precedence. */
export interface EnvironmentLayers {
  readonly environment: Environment;
  readonly ".env": Environment;
}

/** A variable that is set. */
export interface Setting {
  /** The name that the user wrote: the canonical one or an alias. */
  readonly name: string;
  readonly text: string;
  readonly origin: Origin;
}

/**
 * The variables of `.env` in `folder`; none where there is no such file.
 *
 * The file is read here and not by the runtime, which would put other files of that family
 * beside it and expand `$` inside secrets and patterns.
 *
 * @throws ConfigError where the file cannot be read, and for each line that says nothing.
 */
export function readDotEnv(folder: string): Environment {
  const path = join(folder, ".env");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return {};
    throw new ConfigError([
      { variable: ".env", value: path, message: `cannot be read (${String(code)})` },
    ]);
  }
  const faults = unreadableLines(text).map((line) => {
    // The line itself may hold a secret.
    const message = "is neither empty, nor a comment, nor NAME=value";
    return { variable: ".env", value: `${path}:${line}`, message };
  });
  if (faults.length > 0) throw new ConfigError(faults);
  return { ...parseEnv(text) };
}

/** An assignment with its value, which may be quoted and then go over several lines. */
const ASSIGNMENT =
  /[^\S\n]*(?:export[^\S\n]+)?[A-Za-z_][\w.-]*[^\S\n]*=[^\S\n]*(?:"[^"]*"|'[^']*'|`[^`]*`)?[^\n]*/y;
const EMPTY_OR_COMMENT = /[^\S\n]*(?:#[^\n]*)?(?=\n|$)/y;

/** The numbers of the lines that the parser of `.env` would pass over, or take into a value. */
function unreadableLines(text: string): number[] {
  const lines: number[] = [];
  let line = 1;
  for (let at = text.startsWith("\uFEFF") ? 1 : 0; at < text.length; ) {
    const known = matchAt(EMPTY_OR_COMMENT, text, at) ?? matchAt(ASSIGNMENT, text, at);
    if (known === undefined) lines.push(line);
    const end = text.indexOf("\n", at + (known?.length ?? 0));
    const next = end < 0 ? text.length : end + 1;
    line += text.slice(at, next).split("\n").length - 1;
    at = next;
  }
  return lines;
}

/** What a sticky pattern matches at a place. */
function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** The setting of a variable, or the fault that two of its names disagree in one place. */
export function findSetting(
  variable: Variable,
  layers: EnvironmentLayers,
): { readonly setting?: Setting; readonly fault?: ConfigFault } {
  for (const origin of ["environment", ".env"] as const) {
    const settings: Setting[] = [];
    for (const name of [variable.name, ...(variable.aliases ?? [])]) {
      const raw = layers[origin][name] ?? "";
      // A blank at the end of a secret may be part of it; elsewhere it is a slip.
      const text = variable.secret === true ? raw : raw.trim();
      if (text !== "") settings.push({ name, text, origin });
    }
    const [first] = settings;
    if (first === undefined) continue;
    const other = settings.find((setting) => setting.text !== first.text);
    if (other === undefined) return { setting: first };
    return { fault: disagreement(variable, first, other) };
  }
  return {};
}

function disagreement(variable: Variable, first: Setting, other: Setting): ConfigFault {
  const shown = (setting: Setting) => (variable.secret === true ? MASK : setting.text);
  return {
    variable: first.name,
    value: shown(first),
    message: `${other.name}=${JSON.stringify(shown(other))} names the same setting with a different value; set only one of them`,
  };
}
