import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The pid file of a state folder; the folder is created, with mode 0700, where it is missing. */
export class PidFile {
  readonly path: string;
  readonly #text: string;

  constructor(stateDir: string, pid: number) {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    this.path = join(stateDir, "starling.pid");
    this.#text = `${pid}\n`;
  }

  write(): void {
    writeFileSync(this.path, this.#text, { mode: 0o644 });
  }

  /** Removes the file, unless another process has put its own in the place. */
  remove(): void {
    try {
      if (readFileSync(this.path, "utf8") === this.#text) unlinkSync(this.path);
    } catch (error) {
      // Somebody may have tidied up the folder before.
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }
}
