import { join } from "node:path";
import { eachLine, end, track } from "../processes.ts";
import { denoCommand } from "./deno-program.ts";
import type {
  FanOutCommand,
  HeardStates,
  OpenCommand,
  Opened,
  QuicLoadAnswer,
  QuicLoadCommand,
  SendCommand,
  SentStates,
} from "./protocol.ts";

/** Longer than all that a single command may take; ends a run whose load process hangs. */
const ANSWER_TIMEOUT_MS = 180_000;

/** The process with the sessions, as the bench sees it: one command at a time. */
export class QuicLoad {
  readonly pid: number;
  readonly #write: (line: string) => void;
  #pending = Promise.withResolvers<QuicLoadAnswer>();

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
    void eachLine(child.stdout, (line) => this.#pending.resolve(JSON.parse(line)));
    void child.exited.then((code) =>
      this.#pending.reject(new Error(`load process ended with code ${code}`)),
    );
  }

  static async start(): Promise<QuicLoad> {
    const load = new QuicLoad();
    await load.#answer("ready");
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

  async leave(): Promise<void> {
    await this.#ask({ kind: "leave" }, "left");
  }

  async end(): Promise<void> {
    // Nobody waits for an answer now; its absence is not an error.
    this.#pending.promise.catch(() => undefined);
    await end(this.pid);
  }

  #ask<K extends QuicLoadAnswer["kind"]>(
    command: QuicLoadCommand,
    expected: K,
  ): Promise<Extract<QuicLoadAnswer, { kind: K }>> {
    this.#pending = Promise.withResolvers();
    this.#write(JSON.stringify(command));
    return this.#answer(expected);
  }

  async #answer<K extends QuicLoadAnswer["kind"]>(
    expected: K,
  ): Promise<Extract<QuicLoadAnswer, { kind: K }>> {
    const { promise, reject } = this.#pending;
    const late = () => reject(new Error("load process did not answer in time"));
    const timer = setTimeout(late, ANSWER_TIMEOUT_MS);
    try {
      const answer = await promise;
      if (answer.kind === "failed") throw new Error(answer.message);
      if (!isKind(answer, expected)) throw new Error(`load process answered ${answer.kind}`);
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }
}

function isKind<K extends QuicLoadAnswer["kind"]>(
  answer: QuicLoadAnswer,
  kind: K,
): answer is Extract<QuicLoadAnswer, { kind: K }> {
  return answer.kind === kind;
}
