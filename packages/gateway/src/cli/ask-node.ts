import { resolve } from "node:path";
import { askNode } from "@starling/core/broker/ipc/control.ts";
import type { Log } from "@starling/core/ports.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import { nodeSocketPath } from "../node/node-socket.ts";
import { openSocket } from "../runtime/ipc-stream.ts";
import { afterTurn, systemClock } from "../runtime/system.ts";
import { type CommandContext, settingsFor } from "./context.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";

/** Whatever goes wrong on the way becomes the failure of the command. */
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Asks the Starling that runs with the same STATE_DIR.
 *
 * @throws CommandError `unavailable` when none does, or it gives no answer
 */
export async function askRunning(
  context: CommandContext,
  question: string,
  progress: (news: unknown) => void = () => undefined,
): Promise<unknown> {
  const { values } = settingsFor(context, ["stateDir"]);
  const stateDir = resolve(context.folder, values.stateDir);
  try {
    return await askNode(
      {
        open: openSocket(nodeSocketPath(stateDir)),
        clock: systemClock,
        afterTurn,
        log: quiet,
        progress,
      },
      question,
      null,
    );
  } catch (error) {
    throw failureOf(error, stateDir);
  }
}

function failureOf(error: unknown, stateDir: string): unknown {
  const failed = (code: number, message: string) =>
    new CommandError(code, message, { cause: error });
  if (error instanceof StarlingError) {
    if (error.errorName !== "broker_unavailable") return error;
    return failed(
      exitCodes.unavailable,
      `the Starling with the folder ${stateDir} gives no answer: it hangs, has ended, or is of another version`,
    );
  }
  if (error instanceof Error && "code" in error && error.code === "EACCES") {
    return failed(
      exitCodes.noPermission,
      `this user may not ask the Starling with the folder ${stateDir}`,
    );
  }
  return failed(exitCodes.unavailable, `no Starling runs with the folder ${stateDir}`);
}
