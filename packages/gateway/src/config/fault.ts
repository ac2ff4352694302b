/** One thing that is wrong with the configuration. */
export interface ConfigFault {
  /** The variable, by the name that the user wrote. */
  readonly variable: string;
  /** Its value, masked where it is a secret; undefined where it is not set. */
  readonly value: string | undefined;
  /** What is wrong, and what is allowed. */
  readonly message: string;
}

/** What is printed in place of a secret. */
export const MASK = "***";

/** `NAME="value": message`, on one line even where the value has line breaks. */
export function formatFault(fault: ConfigFault): string {
  const setting =
    fault.value === undefined
      ? `${fault.variable} (not set)`
      : `${fault.variable}=${JSON.stringify(fault.value)}`;
  return `${setting}: ${fault.message}`;
}

/** Every fault of a configuration at once; `message` has one line for each, after a heading. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    const lines = faults.map((fault) => `  ${formatFault(fault)}`);
    super([`the configuration has ${count}:`, ...lines].join("\n"));
    this.name = "ConfigError";
    this.faults = faults.map(({ variable, value, message }) => ({ variable, value, message }));
  }
}
