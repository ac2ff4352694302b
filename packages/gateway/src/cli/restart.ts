import { ControlQuestion, type RestartOutcome, type RestartProgress } from "../node/control.ts";
import { askRunning } from "./ask-node.ts";
import type { CommandContext } from "./context.ts";
import { CommandError } from "./exit-codes.ts";

/** `starling restart`: replaces the workers of the cluster that runs, one by one. */
export async function restart(context: CommandContext): Promise<void> {
  const outcome = (await askRunning(context, ControlQuestion.restart, (news) => {
    const { slot, slots } = news as RestartProgress;
    context.out(`worker ${slot} of ${slots} is replaced\n`);
  })) as RestartOutcome;
  if (!outcome.ok) throw new CommandError(outcome.exitCode, outcome.message);
  context.out("restarted\n");
}
