import { join } from "node:path";
import { cpuSince, cpuTime } from "../measure/proc.ts";
import { Party } from "../party.ts";
import { end } from "../processes.ts";
import type { Kind, Order } from "./orders.ts";

const PROGRAM = join(import.meta.dir, "process.ts");

export interface FlowOptions {
  readonly messages: number;
  /** 0: as fast as the answers come. */
  readonly perSecond: number;
}

/** CPU microseconds of each process for one message, and how many there were a second. */
export interface MeshCost {
  /** The node that publishes, and what the same costs on a node without NATS. */
  readonly publisher: number;
  readonly publisherAlone: number;
  /** The node that receives, and what the delivery costs there. */
  readonly receiver: number;
  readonly receiverAlone: number;
  readonly nats: number;
  readonly perSecond: number;
}

type Node = Party<Order>;

/** Two nodes on a server, and one beside them that has no NATS. */
export class Mesh {
  readonly #nodes = [PROGRAM, PROGRAM, PROGRAM].map((program) => new Party<Order>(program));
  readonly #server: { readonly pid: number; readonly url: string };

  constructor(server: { readonly pid: number; readonly url: string }) {
    this.#server = server;
  }

  /** @param channels of each kind, in which is published in turn */
  async start(channels: number): Promise<void> {
    const { url } = this.#server;
    const { publisher, receiver, alone } = this.#parties();
    await alone.order({ type: "join", server: undefined, channels });
    await publisher.order({ type: "join", server: url, channels });
    await receiver.order({ type: "join", server: url, channels });
  }

  /** What publications of one kind cost; rejected where one did not come to all, or came again. */
  async measure(kind: Kind, { messages, perSecond }: FlowOptions): Promise<MeshCost> {
    const { publisher, receiver, alone } = this.#parties();
    const publish = (count: number): Order => ({
      ...{ type: "publish", kind, messages: count, perSecond },
    });
    // What the engine has not compiled yet is no property of the mesh.
    await cost([alone], [alone], publish(messages / 2), messages / 2);
    const [publisherAlone = 0] = await cost([alone], [alone], publish(messages), messages);
    const [receiverAlone = 0] = await cost(
      [alone],
      [alone],
      { type: "deliver", messages },
      messages,
    );
    await cost([publisher, receiver], [], publish(messages / 2), messages / 2);
    const begun = performance.now();
    const [atPublisher = 0, atReceiver = 0, nats = 0] = await cost(
      [publisher, receiver],
      [publisher, receiver, this.#server],
      publish(messages),
      messages,
    );
    return {
      ...{ publisher: atPublisher, publisherAlone },
      ...{ receiver: atReceiver, receiverAlone },
      ...{ nats, perSecond: (messages * 1_000) / (performance.now() - begun) },
    };
  }

  async end(): Promise<void> {
    for (const { pid } of this.#nodes) await end(pid);
  }

  #parties(): Readonly<Record<"publisher" | "receiver" | "alone", Node>> {
    const [publisher, receiver, alone] = this.#nodes;
    if (!publisher || !receiver || !alone) throw new Error("a node is missing");
    return { publisher, receiver, alone };
  }
}

/** Lets the first of `nodes` do something that all of them get; CPU microseconds of each of `processes`. */
async function cost(
  nodes: readonly Node[],
  processes: readonly { readonly pid: number }[],
  order: Order,
  messages: number,
): Promise<number[]> {
  for (const node of nodes) await node.order({ type: "count", expected: messages });
  const before = processes.map(({ pid }) => ({ pid, cpu: cpuTime(pid) }));
  await nodes[0]?.order(order);
  for (const node of nodes) await node.order({ type: "wait" });
  return before.map(({ pid, cpu }) => cpuSince(pid, cpu).total / messages);
}
