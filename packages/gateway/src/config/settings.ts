import type { z } from "zod";
import { type EnvironmentLayers, findSetting, type Origin, type Setting } from "./environment.ts";
import { type ConfigFault, MASK } from "./fault.ts";
import { replacedNamesIn } from "./replaced-names.ts";
import type { ValueType } from "./value-types.ts";
import { defaultOf, type Variable } from "./variable.ts";
import { type VariableKey, variables } from "./variables.ts";

type Optional<V> = V extends { readonly default: string }
  ? never
  : V extends { readonly default: { readonly production: string } }
    ? never
    : undefined;

/** The value of every variable, by key. */
export type Values = {
  readonly [K in VariableKey]:
    | z.output<(typeof variables)[K]["type"]>
    | Optional<(typeof variables)[K]>;
};

/** What was read from the environment. */
export interface Settings {
  /** Where a setting is faulty, its default stands in. */
  readonly values: Values;
  readonly faults: readonly (ConfigFault & { readonly key: VariableKey })[];
  readonly production: boolean;
  /** Names that are set and have no effect any more. */
  readonly replacedNames: readonly string[];
  /** The name and text of a setting as the user wrote it, or of its default. */
  written(key: VariableKey): Setting | undefined;
  /** Whether the setting has a fault of its own, so that no other need be found. */
  isFaulty(key: VariableKey): boolean;
}

export const variableEntries = Object.entries(variables) as readonly (readonly [
  VariableKey,
  Variable,
])[];

/** Reads every variable; never throws. */
export function readSettings(layers: EnvironmentLayers): Settings {
  const production = findSetting(variables.mode, layers).setting?.text === "production";
  const values: Partial<Record<VariableKey, unknown>> = {};
  const written = new Map<VariableKey, Setting>();
  const faulty = new Set<VariableKey>();
  const faults: (ConfigFault & { readonly key: VariableKey })[] = [];

  for (const [key, variable] of variableEntries) {
    const { setting, fault } = findSetting(variable, layers);
    const fallback = defaultOf(variable, production);
    const found = setting ?? fromDefault(variable, fallback);
    if (found !== undefined) written.set(key, found);
    const result = found === undefined ? undefined : read(variable, found);
    const problem = fault ?? result?.fault;
    if (problem !== undefined) {
      faults.push({ ...problem, key });
      faulty.add(key);
    }
    values[key] =
      problem !== undefined && fallback !== undefined
        ? variable.type.parse(fallback)
        : result?.value;
  }
  return {
    values: values as Values,
    faults,
    production,
    replacedNames: replacedNamesIn(layers),
    written: (key) => written.get(key),
    isFaulty: (key) => faulty.has(key),
  };
}

/** What may be shown of a setting. */
export function shown(key: VariableKey, text: string): string {
  const variable: Variable = variables[key];
  return variable.secret === true ? MASK : text;
}

function fromDefault(variable: Variable, text: string | undefined): Setting | undefined {
  const origin: Origin = "default";
  return text === undefined ? undefined : { name: variable.name, text, origin };
}

function read(
  variable: Variable,
  setting: Setting,
): { readonly value?: unknown; readonly fault?: ConfigFault } {
  const type: ValueType<unknown> = variable.type;
  const result = type.safeParse(setting.text);
  if (result.success) return { value: result.data };
  const reasons = result.error.issues
    .filter((issue) => issue.code === "custom")
    .map((issue) => `${issue.message}; `);
  return {
    fault: {
      variable: setting.name,
      value: variable.secret === true ? MASK : setting.text,
      message: `${reasons.join("")}must be ${type.description ?? "of another form"}`,
    },
  };
}
