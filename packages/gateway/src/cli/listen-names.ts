import type { Config } from "../config/config.ts";
import type { Settings } from "../config/settings.ts";
import { type VariableKey, variables } from "../config/variables.ts";
import { listenFault } from "./listen-fault.ts";

/** An error of listening as one line that names the variable; another error as it is. */
export function listenError(error: unknown, config: Config, settings: Settings): unknown {
  const name = (key: VariableKey) => settings.written(key)?.name ?? variables[key].name;
  const names = {
    host: name("host"),
    publisherPort: name("publisherPort"),
    subscriberPort: name("subscriberPort"),
    singlePort: name("singlePort"),
  };
  return listenFault(error, config, names) ?? error;
}
