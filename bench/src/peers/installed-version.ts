import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const resolver = createRequire(import.meta.url);

/** Version of an installed npm package. */
export function installedVersion(name: string): string {
  return versionIn(resolver.resolve(`${name}/package.json`));
}

/** Version that a package manifest states. */
export function versionIn(manifestPath: string): string {
  const manifest: unknown = JSON.parse(readFileSync(manifestPath, "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) {
    return String(manifest.version);
  }
  throw new Error(`${manifestPath} states no version`);
}
