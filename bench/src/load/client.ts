import { join } from "node:path";
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

type Pending = ReturnType<typeof Promise.withResolvers<LoadAnswer>>;

/** The load process as the bench sees it: one command at a time. */
export class LoadClient {
  readonly pid: number;
  #pending: Pending = Promise.withResolvers();
  readonly #send: (command: LoadCommand) => void;

  private constructor() {
    const child = track(
      Bun.spawn([process.execPath, join(import.meta.dir, "main.ts")], {
        stdin: "ignore",
        stdout: "inherit",
        stderr: "inherit",
        ipc: (message: LoadAnswer) => this.#pending.resolve(message),
      }),
    );
    this.pid = child.pid;
    this.#send = (command) => child.send(command);
    void child.exited.then((code) =>
      this.#pending.reject(new Error(`load process ended with code ${code}`)),
    );
  }

  static async start(): Promise<LoadClient> {
    const client = new LoadClient();
    await client.#answer("ready");
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
    // Nobody waits for an answer now; its absence is not an error.
    this.#pending.promise.catch(() => undefined);
    await end(this.pid);
  }

  #ask<K extends LoadAnswer["kind"]>(
    command: LoadCommand,
    expected: K,
  ): Promise<Extract<LoadAnswer, { kind: K }>> {
    this.#pending = Promise.withResolvers();
    this.#send(command);
    return this.#answer(expected);
  }

  async #answer<K extends LoadAnswer["kind"]>(
    expected: K,
  ): Promise<Extract<LoadAnswer, { kind: K }>> {
    const { promise, reject } = this.#pending;
    const timer = setTimeout(
      () => reject(new Error("load process did not answer in time")),
      ANSWER_TIMEOUT_MS,
    );
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

function isKind<K extends LoadAnswer["kind"]>(
  answer: LoadAnswer,
  kind: K,
): answer is Extract<LoadAnswer, { kind: K }> {
  return answer.kind === kind;
}
