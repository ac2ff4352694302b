import { fileURLToPath } from "node:url";

const DENO = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));
const PROGRAM = fileURLToPath(new URL("./deno-peer-program.ts", import.meta.url));

interface Outcome {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/**
 * A process of Deno in the place of a page: a WebTransport client that needs no browser. It learns
 * that a session has ended, but neither code nor reason (Deno 2.9).
 */
export class DenoPage implements Disposable {
  readonly #child = Bun.spawn(
    [DENO, "run", "--quiet", "--no-prompt", "--no-check", "--unstable-net", "--allow-net", PROGRAM],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  constructor() {
    void this.#read();
  }

  /** Runs a call of `user`, as a page does. */
  evaluate(expression: string): Promise<unknown> {
    const outcome = Promise.withResolvers<unknown>();
    const id = ++this.#lastId;
    this.#pending.set(id, outcome);
    // A call may be left alone, such as one that waits for the end.
    outcome.promise.catch(() => {});
    this.#child.stdin.write(`${JSON.stringify({ id, expression })}\n`);
    this.#child.stdin.flush();
    return outcome.promise;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#settle(JSON.parse(line));
    }
    for (const { reject } of this.#pending.values()) reject(new Error("the process has ended"));
  }

  #settle({ id, value, error }: Outcome): void {
    const outcome = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) outcome?.resolve(value);
    else outcome?.reject(new Error(error));
  }
}
