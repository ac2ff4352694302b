import type { IpcServerOptions } from "@starling/core/broker/ipc/server-options.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { NodeStatus } from "./status.ts";

/** What the command line may ask a node. */
export const ControlQuestion = { status: "status", restart: "restart" } as const;

/** How a restart went; a refusal says which exit code the command has. */
export type RestartOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly exitCode: number; readonly message: string };

/** A slot that has its new worker, while a restart is under way. */
export interface RestartProgress {
  readonly slot: number;
  readonly slots: number;
}

export interface ControlledNode {
  status(): NodeStatus;
  restart(progress: (news: RestartProgress) => void): Promise<RestartOutcome>;
}

/** Answers the command line; workers ask nothing of this. */
export function controlAnswers(node: ControlledNode): IpcServerOptions["answer"] {
  return (method, _argument, question) => {
    switch (method) {
      case ControlQuestion.status:
        return node.status();
      case ControlQuestion.restart:
        return node.restart((news) => question.progress(news));
      default:
        throw new StarlingError("not_found", `the node knows no question ${method}`);
    }
  };
}
