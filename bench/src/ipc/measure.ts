import { join } from "node:path";
import { cpuSince, cpuTime } from "../measure/proc.ts";
import { Party } from "../party.ts";
import { end } from "../processes.ts";
import type { Order } from "./orders.ts";

const PROGRAM = join(import.meta.dir, "process.ts");

/** CPU microseconds of each process for one message. */
export interface IpcCost {
  readonly publisher: number;
  readonly node: number;
  readonly receiver: number;
}

export interface IpcOptions {
  /** Messages of the flood, and of the paced stream. */
  readonly floodMessages: number;
  readonly pacedMessages: number;
  readonly perSecond: number;
}

/** What a message costs that one worker publishes and another one gets, through their node. */
export async function measureIpc(
  directory: string,
  options: IpcOptions,
): Promise<{ readonly flood: IpcCost; readonly paced: IpcCost }> {
  const start = () => new Party<Order>(PROGRAM);
  const [node, publisher, receiver] = [start(), start(), start()];
  const socket = join(directory, "broker.sock");
  const stream = async (messages: number, perSecond: number): Promise<IpcCost> => {
    const parties = { publisher, node, receiver };
    const before = Object.values(parties).map(({ pid }) => cpuTime(pid));
    await receiver.order({ type: "count" });
    await publisher.order({ type: "publish", messages, perSecond });
    await receiver.order({ type: "wait", expected: messages });
    const [first = 0, second = 0, third = 0] = Object.values(parties).map(({ pid }, index) => {
      const since = before[index];
      return since === undefined ? 0 : cpuSince(pid, since).total / messages;
    });
    return { publisher: first, node: second, receiver: third };
  };
  try {
    await node.order({ type: "serve", socket });
    await publisher.order({ type: "join", socket, worker: 1 });
    await receiver.order({ type: "join", socket, worker: 2 });
    // What the engine has not compiled yet is no property of the link.
    await stream(options.floodMessages / 2, 0);
    const flood = await stream(options.floodMessages, 0);
    await stream(options.pacedMessages / 2, options.perSecond);
    const paced = await stream(options.pacedMessages, options.perSecond);
    return { flood, paced };
  } finally {
    for (const { pid } of [node, publisher, receiver]) await end(pid);
  }
}
