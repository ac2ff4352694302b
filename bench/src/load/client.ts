import { join } from "node:path";
import { Conversation } from "../conversation.ts";
import { end, track } from "../processes.ts";
import type {
  ConnectCommand,
  Counters,
  EnterCommand,
  Entered,
  LoadAnswer,
  LoadCommand,
  MoveCommand,
  Moved,
  PollCommand,
  PublishCommand,
  Published,
} from "./protocol.ts";

/** Longer than all that a single command may take; ends a run whose load process hangs. */
const ANSWER_TIMEOUT_MS = 600_000;

/** The load process as the bench sees it: one command at a time. */
export class LoadClient {
  readonly pid: number;
  readonly #conversation = new Conversation<LoadAnswer>(ANSWER_TIMEOUT_MS);
  readonly #send: (command: LoadCommand) => void;

  private constructor() {
    const child = track(
      Bun.spawn([process.execPath, join(import.meta.dir, "main.ts")], {
        stdin: "ignore",
        stdout: "inherit",
        stderr: "inherit",
        ipc: (message: LoadAnswer) => this.#conversation.heard(message),
      }),
    );
    this.pid = child.pid;
    this.#send = (command) => child.send(command);
    void child.exited.then((code) => this.#conversation.ended(code));
  }

  static async start(): Promise<LoadClient> {
    const client = new LoadClient();
    await client.#conversation.next("ready");
    return client;
  }

  async connect(command: Omit<ConnectCommand, "kind">): Promise<{ readonly seconds: number }> {
    return this.#ask({ kind: "connect", ...command }, "connected");
  }

  async poll(command: Omit<PollCommand, "kind">): Promise<{ readonly seconds: number }> {
    return this.#ask({ kind: "poll", ...command }, "connected");
  }

  async leave(): Promise<void> {
    await this.#ask({ kind: "leave" }, "left");
  }

  async publish(command: Omit<PublishCommand, "kind">): Promise<Published> {
    return this.#ask({ kind: "publish", ...command }, "published");
  }

  async enter(command: Omit<EnterCommand, "kind">): Promise<Entered> {
    return this.#ask({ kind: "enter", ...command }, "entered");
  }

  async move(command: Omit<MoveCommand, "kind">): Promise<Moved> {
    return this.#ask({ kind: "move", ...command }, "moved");
  }

  async count(): Promise<Counters> {
    return this.#ask({ kind: "count" }, "counted");
  }

  async end(): Promise<void> {
    this.#conversation.dismiss();
    await end(this.pid);
  }

  #ask<K extends LoadAnswer["kind"]>(
    command: LoadCommand,
    expected: K,
  ): Promise<Extract<LoadAnswer, { kind: K }>> {
    return this.#conversation.ask(() => this.#send(command), expected);
  }
}
