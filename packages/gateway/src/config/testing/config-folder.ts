import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { developmentCertificate } from "../../certificates/development.ts";
import type { Config } from "../config.ts";
import type { Environment } from "../environment.ts";
import { ConfigError, type ConfigFault } from "../fault.ts";
import { type LoadOptions, loadConfig } from "../load.ts";

/** The moment at which the certificates of a `ConfigFolder` are made. */
export const NOW = Date.UTC(2026, 5, 1);
export const DAY = 86_400_000;

/** What production needs, with the files of a `ConfigFolder`. */
export const production: Environment = {
  NODE_ENV: "production",
  PUB_KEY_PATH: "one.pem",
  PRIV_KEY_PATH: "one-key.pem",
  AUTH_TOKEN_SECRET: "a long and random secret",
  ALLOWED_IPS: "192.0.2.0/24",
};

/**
 * A temporary folder that configurations are loaded in, with the certificates `one.pem` and
 * `two.pem`, their keys `one-key.pem` and `two-key.pem`, and a file `garbage.pem`.
 */
export class ConfigFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "starling-config-"));

  static async make(): Promise<ConfigFolder> {
    const folder = new ConfigFolder();
    for (const name of ["one", "two"]) {
      const state = join(folder.path, name);
      await developmentCertificate(state, { now: () => NOW });
      copyFileSync(join(state, "dev-cert.pem"), join(folder.path, `${name}.pem`));
      copyFileSync(join(state, "dev-key.pem"), join(folder.path, `${name}-key.pem`));
    }
    folder.write("garbage.pem", "no PEM at all\n");
    return folder;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
  }

  load(environment: Environment, options: LoadOptions = {}): Config {
    return loadConfig(environment, { folder: this.path, now: NOW, ...options });
  }

  faultsOf(environment: Environment, options: LoadOptions = {}): readonly ConfigFault[] {
    try {
      this.load(environment, options);
    } catch (error) {
      if (error instanceof ConfigError) return error.faults;
      throw error;
    }
    return [];
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** The variables that faults are of, in their order. */
export function variablesOf(faults: readonly ConfigFault[]): string[] {
  return faults.map((fault) => fault.variable);
}
