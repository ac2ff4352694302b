import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { within } from "../deadline.ts";
import type { Line } from "./line.ts";

/** What a process may take to start, or to answer, on a busy machine, ms. */
const ANSWER_MS = 20_000;

/** A line that is a process, which takes orders by its input and answers each with a line. */
export class LineProcess implements Line {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #answers: AsyncIterator<string>;

  /** @param program a file that Bun runs */
  constructor(program: string, ...args: readonly string[]) {
    this.#child = Bun.spawn([process.execPath, program, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const input = Readable.fromWeb(this.#child.stdout as never);
    this.#answers = createInterface({ input })[Symbol.asyncIterator]();
  }

  /** The next line that it says. */
  async answer(): Promise<string> {
    const { value, done } = await within(this.#answers.next(), "a line of regions", ANSWER_MS);
    if (done === true) throw new Error("the line between the regions has ended");
    return value;
  }

  cut(): Promise<void> {
    return this.#order("cut");
  }

  heal(): Promise<void> {
    return this.#order("heal");
  }

  /** It ends with its input, also where this process is killed. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#child.exited;
  }

  async #order(order: string): Promise<void> {
    this.#child.stdin.write(`${order}\n`);
    this.#child.stdin.flush();
    const answer = await this.answer();
    if (answer !== order) throw new Error(`the line between the regions says ${answer}`);
  }
}
