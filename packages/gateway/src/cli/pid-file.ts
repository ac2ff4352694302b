import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The pid file of a state folder, which belongs to the first gateway that is started with it. The
 * folder is created, with mode 0700, where it is missing.
 */
export class PidFile {
  readonly path: string;
  readonly #pid: number;
  readonly #isAlive: (pid: number) => boolean;

  constructor(stateDir: string, pid: number, isAlive = isProcessAlive) {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    this.path = join(stateDir, "starling.pid");
    this.#pid = pid;
    this.#isAlive = isAlive;
  }

  /** Writes the file, unless it names another process that is alive; answers that process. */
  write(): number | undefined {
    const owner = this.#owner();
    if (owner !== undefined && owner !== this.#pid && this.#isAlive(owner)) return owner;
    writeFileSync(this.path, `${this.#pid}\n`, { mode: 0o644 });
    return undefined;
  }

  /** Removes the file where it is that of this process. */
  remove(): void {
    if (this.#owner() === this.#pid) unlinkSync(this.path);
  }

  /** The process that the file names; undefined where there is none, or the file is no pid file. */
  #owner(): number | undefined {
    try {
      const text = readFileSync(this.path, "utf8");
      return /^[1-9]\d{0,9}\n?$/.test(text) ? Number(text) : undefined;
    } catch (error) {
      // Somebody may have tidied up the folder.
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }
}

function isProcessAlive(pid: number): boolean {
  try {
    // Signal 0 only asks.
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
