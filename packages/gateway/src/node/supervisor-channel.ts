import type { WorkerCommand, WorkerMessage, WorkerReport } from "./worker-process.ts";

export interface ChannelHandler {
  command(command: WorkerCommand): void;
  /** The supervisor is no more. */
  orphaned(): void;
}

/** A worker's channel to the supervisor that has started it. */
export class SupervisorChannel {
  /** Whether a message is still on its way: a supervisor that hangs is sent no more reports. */
  #isBusy = false;

  constructor(handler: ChannelHandler) {
    process.on("message", (command: WorkerCommand) => handler.command(command));
    process.on("disconnect", () => handler.orphaned());
  }

  send(message: WorkerMessage): void {
    if (!process.connected) return;
    this.#isBusy = true;
    process.send?.(message, undefined, undefined, () => {
      this.#isBusy = false;
    });
  }

  /** The same for what is out of date with the next report. */
  report(report: WorkerReport): void {
    if (!this.#isBusy) this.send({ type: "report", ...report });
  }
}
