/** Exit codes of the command, those of BSD's `sysexits.h`. */
export const exitCodes = {
  ok: 0,
  /** The command line is wrong. */
  usage: 64,
  /** What was to be published is not JSON, or the gateway cannot take it. */
  dataError: 65,
  /** Nothing answers, or an address is in use. */
  unavailable: 69,
  /** A fault of the program. */
  software: 70,
  /** The gateway is too busy; the same may work later. */
  temporaryFailure: 75,
  /** Refused, by the gateway or by the system. */
  noPermission: 77,
  /** The configuration has faults. */
  config: 78,
} as const;

/** A failure that ends the command with a message on standard error and an exit code. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CommandError";
    this.exitCode = exitCode;
  }
}
