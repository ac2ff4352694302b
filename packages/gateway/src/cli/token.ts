import { RotatingToken } from "@starling/core/auth/rotating-token.ts";
import { variables } from "../config/variables.ts";
import { type CommandContext, settingsFor } from "./context.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";

/** `starling token`: prints the token that is current now, alone on a line. */
export function printToken(context: CommandContext): void {
  const { values } = settingsFor(context, [
    "tokenSecret",
    "tokenRenewStartHour",
    "tokenRenewIntervalMs",
    "tokenGraceMs",
  ]);
  if (values.tokenSecret === undefined) {
    throw new CommandError(
      exitCodes.config,
      `${variables.tokenSecret.name} is not set, so there is no token`,
    );
  }
  const token = new RotatingToken({
    secret: values.tokenSecret,
    renewStartHour: values.tokenRenewStartHour,
    renewIntervalMs: values.tokenRenewIntervalMs,
    graceMs: values.tokenGraceMs,
    clock: context.clock,
  });
  context.out(`${token.current()}\n`);
}
