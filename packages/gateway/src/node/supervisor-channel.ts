import type { WorkerCommand, WorkerMessage, WorkerReport } from "./worker-process.ts";

export interface ChannelHandler {
  command(command: WorkerCommand): void;
  /** The supervisor is no more. */
  orphaned(): void;
}

/** What a process has to speak with the one that has started it, as Node names it. */
export interface ParentProcess {
  readonly connected: boolean;
  on(event: "message", listener: (message: WorkerCommand) => void): unknown;
  on(event: "disconnect", listener: () => void): unknown;
  /** Calls back when the message has left. */
  send?(message: WorkerMessage, handle: undefined, options: undefined, sent: () => void): boolean;
}

/** A worker's channel to the supervisor that has started it. */
export class SupervisorChannel {
  readonly #parent: ParentProcess;
  /** Whether a message is still on its way: a supervisor that hangs is sent no more reports. */
  #isBusy = false;

  constructor(handler: ChannelHandler, parent: ParentProcess = process) {
    this.#parent = parent;
    parent.on("message", (command) => handler.command(command));
    parent.on("disconnect", () => handler.orphaned());
  }

  send(message: WorkerMessage): void {
    if (!this.#parent.connected) return;
    this.#isBusy = true;
    this.#parent.send?.(message, undefined, undefined, () => {
      this.#isBusy = false;
    });
  }

  /** The same for what is out of date with the next report. */
  report(report: WorkerReport): void {
    if (!this.#isBusy) this.send({ type: "report", ...report });
  }
}
