import { spawn } from "node:child_process";
import { eventually } from "./deadline.ts";

/** How long a command of the pages may take to say something, ms. */
const PATIENCE_MS = 30_000;

/** A command as somebody types it, with everything that it starts. */
export class ShellCommand {
  output = "";
  readonly #child;
  readonly #ended: Promise<number | null>;

  /** @param environment beside the command's own, and PATH and HOME */
  constructor(line: string, folder: string, environment: Readonly<Record<string, string>> = {}) {
    const { PATH = "", HOME = "" } = process.env;
    // Debian puts servers where not everybody looks.
    const env = { PATH: `${PATH}:/usr/sbin`, HOME, ...environment };
    // A group of its own, since npm does not tell what it runs that it is to end.
    this.#child = spawn("sh", ["-c", line], { cwd: folder, env, detached: true });
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.#ended = promise;
    this.#child.on("close", resolve);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        this.output += text;
      });
    }
  }

  /** Waits for a text that it says so many times; answers the output. */
  says(text: string, times = 1): Promise<string> {
    const look = async () => {
      if (this.output.split(text).length > times) return this.output;
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.output}`);
      await Bun.sleep(20);
      return undefined;
    };
    return eventually(`"${text}" in ${JSON.stringify(this.output)}`, look, PATIENCE_MS);
  }

  /** The exit code, when it has ended by itself. */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Ends it as Ctrl+C does. */
  async interrupt(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    const isRunning = exitCode === null && signalCode === null;
    if (pid !== undefined && isRunning) process.kill(-pid, "SIGINT");
    await this.#ended;
  }
}
