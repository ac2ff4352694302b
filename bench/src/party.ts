import { track } from "./processes.ts";

/** What a process of the bench answers to an order: that it is carried out, or why not. */
export type Reply =
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly reason: string };

/** A process of the bench, which carries out one order at a time. */
export class Party<Order extends { readonly type: string }> {
  readonly pid: number;
  readonly #child;
  #settle: ((reply: Reply) => void) | undefined;

  /** @param program the file that it runs */
  constructor(program: string) {
    this.#child = track(
      Bun.spawn([process.execPath, program], {
        stdio: ["ignore", "inherit", "inherit"],
        ipc: (reply: Reply) => this.#settle?.(reply),
      }),
    );
    this.pid = this.#child.pid;
    void this.#child.exited.then(() => this.#settle?.({ type: "failed", reason: "it ended" }));
  }

  async order(order: Order): Promise<void> {
    const reply = await new Promise<Reply>((resolve) => {
      this.#settle = resolve;
      this.#child.send(order);
    });
    if (reply.type === "failed") throw new Error(`${order.type}: ${reply.reason}`);
  }
}

/** The other side: carries out what this process is told, until whoever tells it is gone. */
export function obey<Order>(carryOut: (order: Order) => Promise<void>): void {
  process.on("message", (order: Order) => {
    carryOut(order).then(() => answer({ type: "done" }), fail);
  });
  process.on("disconnect", () => process.exit());
}

/** The order under way has failed. */
export function fail(reason: unknown): void {
  answer({ type: "failed", reason: String(reason) });
}

function answer(reply: Reply): void {
  process.send?.(reply);
}
