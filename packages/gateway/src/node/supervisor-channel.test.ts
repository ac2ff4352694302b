import { beforeEach, expect, test } from "bun:test";
import { type ParentProcess, SupervisorChannel } from "./supervisor-channel.ts";
import type { WorkerCommand, WorkerMessage } from "./worker-process.ts";

const report = { connections: 1, memoryBytes: 2, cpu: 0 };

/** A supervisor that takes messages when the test says so. */
class Supervisor implements ParentProcess {
  connected = true;
  readonly sent: WorkerMessage[] = [];
  readonly takes: (() => void)[] = [];
  readonly listeners = new Map<string, (argument: never) => void>();

  on(event: string, listener: (argument: never) => void): void {
    this.listeners.set(event, listener);
  }

  send(message: WorkerMessage, _handle: undefined, _options: undefined, sent: () => void): boolean {
    this.sent.push(message);
    this.takes.push(sent);
    return true;
  }

  tell(event: string, argument: unknown): void {
    this.listeners.get(event)?.(argument as never);
  }
}

let supervisor: Supervisor;
let channel: SupervisorChannel;
let commands: WorkerCommand[];
let isOrphaned: boolean;
beforeEach(() => {
  supervisor = new Supervisor();
  commands = [];
  isOrphaned = false;
  const handler = {
    command: (command: WorkerCommand) => void commands.push(command),
    orphaned() {
      isOrphaned = true;
    },
  };
  channel = new SupervisorChannel(handler, supervisor);
});

test("a supervisor that takes nothing is sent no more than one report", () => {
  for (let second = 0; second < 5; second++) channel.report(report);
  expect(supervisor.sent).toEqual([{ type: "report", ...report }]);
  supervisor.takes.shift()?.();
  channel.report(report);
  expect(supervisor.sent).toHaveLength(2);
});

test("whatever else there is to say is sent all the same", () => {
  channel.report(report);
  channel.send({ type: "drained" });
  expect(supervisor.sent.at(-1)).toEqual({ type: "drained" });
});

test("a supervisor commands, and once it has gone it is sent nothing", () => {
  supervisor.tell("message", { type: "leave" });
  expect([commands, isOrphaned]).toEqual([[{ type: "leave" }], false]);
  supervisor.connected = false;
  supervisor.tell("disconnect", undefined);
  expect(isOrphaned).toBe(true);
  channel.send({ type: "drained" });
  expect(supervisor.sent).toEqual([]);
});
