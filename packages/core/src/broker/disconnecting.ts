import type { DisconnectTarget } from "../hub/api.ts";
import type { Disconnection } from "./elsewhere.ts";
import type { Ask, Questions } from "./questions.ts";

/** A worker that can be asked. */
interface Asked {
  readonly asking: (method: string, argument: unknown) => Ask;
}

/** Disconnects on workers; `asker` is undefined where the node itself asks. */
export async function disconnectedBy<Worker extends Asked>(
  questions: Questions<Worker>,
  asker: Worker | undefined,
  workers: readonly Worker[],
  argument: { readonly app: string; readonly target: DisconnectTarget },
): Promise<Disconnection> {
  const answers = await questions.gather(
    asker,
    workers.map((worker) => [worker, worker.asking("disconnect", argument)] as const),
  );
  const connections = answers.reduce<number>((sum, count) => sum + Number(count), 0);
  return { connections, unanswered: [], isComplete: answers.length === workers.length };
}
