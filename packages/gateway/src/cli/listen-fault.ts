import type { Config } from "../config/config.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";

/** The names that the user gave to the settings of the listeners. */
export interface ListenNames {
  readonly host: string;
  readonly publisherPort: string;
  readonly subscriberPort: string;
  readonly singlePort: string;
}

/**
 * What the system says of an address that cannot be listened on, as a failure with one line that
 * names the variable; undefined where the error is of another kind.
 */
export function listenFault(
  error: unknown,
  config: Pick<Config, "host" | "publisherPort" | "subscriberPort" | "singlePort">,
  names: ListenNames,
): CommandError | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = "code" in error ? error.code : undefined;
  const setting = portSetting(error.message, config, names);
  switch (code) {
    case "EADDRINUSE":
      return new CommandError(exitCodes.unavailable, `${setting}: the port is in use`, {
        cause: error,
      });
    case "EACCES":
      return new CommandError(
        exitCodes.noPermission,
        `${setting}: this user may not listen on the port; choose one from 1024`,
        { cause: error },
      );
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
    case "EINVAL":
    case "ENOTFOUND":
      return new CommandError(
        exitCodes.unavailable,
        `${names.host}=${config.host}: this machine has no such address (${code})`,
        { cause: error },
      );
    default:
      return listenFault(error.cause, config, names);
  }
}

/** The setting of the port that the system's message ends with or asks about. */
function portSetting(
  message: string,
  config: Pick<Config, "publisherPort" | "subscriberPort" | "singlePort">,
  names: ListenNames,
): string {
  if (config.singlePort !== undefined) return `${names.singlePort}=${config.singlePort}`;
  const port = Number(/(?:port |:)(\d+)\D*$/.exec(message)?.[1]);
  const subscriber = port === config.subscriberPort && port !== config.publisherPort;
  const publisher = port === config.publisherPort && port !== config.subscriberPort;
  if (subscriber) return `${names.subscriberPort}=${port}`;
  if (publisher) return `${names.publisherPort}=${port}`;
  return `${names.publisherPort}=${config.publisherPort} or ${names.subscriberPort}=${config.subscriberPort}`;
}
