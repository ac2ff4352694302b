import type { IpcServerOptions } from "@starling/core/broker/ipc/server-options.ts";
import type { ListedNode } from "@starling/core/mesh-directory/listed-nodes.ts";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { SharedCounts } from "../publish/node-stats.ts";
import type { MeshReport } from "./mesh-report.ts";
import type { NodeStatus } from "./status.ts";

/** What a node may be asked: by the command line, and `counts` and `nodes` by its workers. */
export const ControlQuestion = {
  status: "status",
  restart: "restart",
  counts: "counts",
  nodes: "nodes",
  mesh: "mesh",
} as const;

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
  counts(): SharedCounts;
  /** The nodes of the mesh, as clients are told of them. */
  nodes(): readonly ListedNode[];
  mesh(): Promise<MeshReport>;
  restart(progress: (news: RestartProgress) => void): Promise<RestartOutcome>;
}

/** Answers those questions. */
export function controlAnswers(node: ControlledNode): IpcServerOptions["answer"] {
  return (method, _argument, question) => {
    switch (method) {
      case ControlQuestion.status:
        return node.status();
      case ControlQuestion.restart:
        return node.restart((news) => question.progress(news));
      case ControlQuestion.counts:
        return node.counts();
      case ControlQuestion.nodes:
        return node.nodes();
      case ControlQuestion.mesh:
        return node.mesh();
      default:
        throw new StarlingError("not_found", `the node knows no question ${method}`);
    }
  };
}
