import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file with apps and namespaces, in a temporary folder. */
export class ConfigFile implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-config-"));

  constructor(content: object) {
    writeFileSync(this.path, JSON.stringify(content));
  }

  get path(): string {
    return join(this.#folder, "starling.json");
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
