// Writes the files that are generated from the code; `--check` only says which ones are stale.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { configurationPage, envExample } from "../packages/gateway/src/config/reference.ts";
import { errorsPage } from "./errors-page.ts";

const root = join(import.meta.dir, "..");
const generated: Readonly<Record<string, string>> = {
  "docs/reference/configuration.md": configurationPage(),
  "docs/reference/errors.md": errorsPage(),
  ".env.example": envExample(),
};

function current(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return undefined;
  }
}

const stale = Object.entries(generated).filter(([path, text]) => current(path) !== text);
if (process.argv.includes("--check")) {
  for (const [path] of stale) console.error(`${path} is stale: run \`npm run docs\``);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
