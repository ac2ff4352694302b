import { join } from "node:path";
import { Conversation } from "../conversation.ts";
import { eachLine, end, track } from "../processes.ts";
import { denoCommand } from "./deno-program.ts";
import type {
  FanOutCommand,
  HeardStates,
  OpenCommand,
  Opened,
  QuicLoadAnswer,
  QuicLoadCommand,
  ReturnCommand,
  Returned,
  SendCommand,
  SentStates,
} from "./protocol.ts";

/** Longer than all that a single command may take; ends a run whose load process hangs. */
const ANSWER_TIMEOUT_MS = 180_000;

/** The process with the sessions, as the bench sees it: one command at a time. */
export class QuicLoad {
  readonly pid: number;
  readonly #write: (line: string) => void;
  readonly #conversation = new Conversation<QuicLoadAnswer>(ANSWER_TIMEOUT_MS);

  private constructor() {
    const child = track(
      Bun.spawn(denoCommand(join(import.meta.dir, "main.ts")), {
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit",
      }),
    );
    this.pid = child.pid;
    this.#write = (line) => {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
    };
    void eachLine(child.stdout, (line) => this.#conversation.heard(JSON.parse(line)));
    void child.exited.then((code) => this.#conversation.ended(code));
  }

  static async start(): Promise<QuicLoad> {
    const load = new QuicLoad();
    await load.#conversation.next("ready");
    return load;
  }

  open(command: Omit<OpenCommand, "kind">): Promise<Opened> {
    return this.#ask({ kind: "open", ...command }, "opened");
  }

  fanOut(command: Omit<FanOutCommand, "kind">): Promise<HeardStates> {
    return this.#ask({ kind: "fan out", ...command }, "heard");
  }

  send(command: Omit<SendCommand, "kind">): Promise<SentStates> {
    return this.#ask({ kind: "send", ...command }, "sent");
  }

  comeBack(command: Omit<ReturnCommand, "kind">): Promise<Returned> {
    return this.#ask({ kind: "return", ...command }, "returned");
  }

  async leave(): Promise<void> {
    await this.#ask({ kind: "leave" }, "left");
  }

  async end(): Promise<void> {
    this.#conversation.dismiss();
    await end(this.pid);
  }

  #ask<K extends QuicLoadAnswer["kind"]>(
    command: QuicLoadCommand,
    expected: K,
  ): Promise<Extract<QuicLoadAnswer, { kind: K }>> {
    return this.#conversation.ask(() => this.#write(JSON.stringify(command)), expected);
  }
}
