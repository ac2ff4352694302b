import { ControlQuestion } from "../node/control.ts";
import type { NodeStatus, WorkerStatus } from "../node/status.ts";
import { askRunning } from "./ask-node.ts";
import type { CommandContext } from "./context.ts";
import { duration, linkText } from "./link-text.ts";
import { textTable } from "./text-table.ts";

/** What `starling status` was given on its command line. */
export interface StatusOptions {
  readonly json?: boolean;
}

/** `starling status`: shows the processes of the Starling that runs. */
export async function showStatus(context: CommandContext, options: StatusOptions): Promise<void> {
  const status = (await askRunning(context, ControlQuestion.status)) as NodeStatus;
  context.out(options.json === true ? `${JSON.stringify(status)}\n` : statusText(status));
}

/** A line of the node, and a table of its workers. */
export function statusText(status: NodeStatus): string {
  const { version, pid, cluster, workers, restarting, history, nats } = status;
  const gateways = workers.filter(({ kind }) => kind === "gateway");
  const serving = gateways.filter(({ state }) => state === "ready").length;
  const connections = workers.reduce((sum, worker) => sum + worker.connections, 0);
  const node = [
    `Starling ${version}, pid ${pid}, up ${duration(status.uptimeMs)}`,
    ...(cluster ? [`${serving} of ${slotsOf(gateways)} workers ready`] : ["one process"]),
    `${connections} connection${connections === 1 ? "" : "s"}`,
    ...(cluster ? [`supervisor ${mebibytes(status.memoryBytes)}`] : []),
    ...(history.publications > 0
      ? [`history of ${history.channels} channels ${mebibytes(history.bytes)}`]
      : []),
    ...(nats === undefined ? [] : [`link to NATS for members ${linkText(nats)}`]),
    ...(restarting ? ["restarting"] : []),
  ].join(", ");
  const header = ["SLOT", "PID", "STATE", "CONNECTIONS", "MEMORY", "UPTIME", "RESTARTS"];
  const rows = workers.map(rowOf);
  const lines = textTable(
    nats === undefined
      ? [header, ...rows]
      : [[...header, "NATS"], ...rows.map((row, at) => [...row, natsOf(workers[at])])],
  );
  const reasons = workers.flatMap(({ slot, state, reason }) =>
    reason === undefined ? [] : [`${slot} is ${state}: ${reason}`],
  );
  const paragraphs = [[node], lines, reasons].filter(({ length }) => length > 0);
  return `${paragraphs.map((each) => each.join("\n")).join("\n\n")}\n`;
}

function slotsOf(workers: readonly WorkerStatus[]): number {
  return new Set(workers.map(({ slot }) => slot)).size;
}

function natsOf(worker: WorkerStatus | undefined): string {
  return worker?.nats === undefined ? "-" : linkText(worker.nats);
}

function rowOf(worker: WorkerStatus): string[] {
  const isThere = worker.pid !== null;
  return [
    String(worker.slot),
    isThere ? String(worker.pid) : "-",
    worker.state,
    String(worker.connections),
    isThere ? mebibytes(worker.memoryBytes) : "-",
    isThere ? duration(worker.uptimeMs) : "-",
    String(worker.restarts),
  ];
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}
