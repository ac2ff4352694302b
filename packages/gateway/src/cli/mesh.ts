import { ControlQuestion } from "../node/control.ts";
import type { MeshReport, ReportedNode } from "../node/mesh-report.ts";
import { askRunning } from "./ask-node.ts";
import type { CommandContext } from "./context.ts";
import { linkText } from "./link-text.ts";
import type { StatusOptions } from "./status.ts";
import { textTable } from "./text-table.ts";

/** `starling mesh`: shows the nodes of the mesh, as the Starling that runs here sees them. */
export async function showMesh(context: CommandContext, options: StatusOptions): Promise<void> {
  const report = (await askRunning(context, ControlQuestion.mesh)) as MeshReport;
  context.out(options.json === true ? `${JSON.stringify(report)}\n` : meshText(report));
}

/** A line of the node that was asked, and a table of all nodes. */
export function meshText({ nats, nodes }: MeshReport): string {
  const header = ["NODE", "REGION", "STATE", "RTT", "LAG", "LINKS", "CONNECTIONS", "LOAD"];
  const table = textTable([[...header, "ADDRESSES"], ...nodes.map(rowOf)]);
  const [own] = nodes;
  const others = nodes.length - 1;
  const line =
    nats === null
      ? `${nameOf(own)} is alone: NATS_URL is not set`
      : `${nameOf(own)}, link to NATS ${linkText(nats)}, ${others} other node${others === 1 ? "" : "s"}`;
  return `${[line, "", ...table].join("\n")}\n`;
}

function nameOf(node: ReportedNode | undefined): string {
  return node === undefined || node.id === "" ? "this node" : node.id;
}

function rowOf(node: ReportedNode): string[] {
  const { region = "-", draining, rttMs, isOwn, lagMs, links, linksUp } = node;
  const { connections, load, addresses = [] } = node;
  return [
    node.id === "" ? "-" : node.id,
    region,
    draining === true ? "draining" : rttMs === null && !isOwn ? "no answer" : "here",
    milliseconds(rttMs),
    milliseconds(lagMs),
    links === undefined ? "-" : `${linksUp} of ${links}`,
    connections === undefined ? "-" : String(connections),
    load === undefined ? "-" : `${Math.round(load * 100)} %`,
    addresses.length === 0 ? "-" : addresses.join(" "),
  ];
}

function milliseconds(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? "-" : `${ms} ms`;
}
