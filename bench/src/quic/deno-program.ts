import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { versionIn } from "../peers/installed-version.ts";

const manifest = createRequire(import.meta.url).resolve("deno/package.json");

/** The program of the npm package deno itself, since a wrapper around it would not pass on signals. */
export function denoProgram(): string {
  const name = `@deno/linux-${process.arch}-glibc/package.json`;
  const program = join(dirname(createRequire(manifest).resolve(name)), "deno");
  if (!existsSync(program)) throw new Error(`the npm package deno has no ${program}`);
  return program;
}

export function denoVersion(): string {
  return versionIn(manifest);
}

/** How the bench's own programs are run. */
export function denoCommand(program: string): string[] {
  const permissions = ["--allow-net", "--allow-read", "--allow-env"];
  return [
    ...[denoProgram(), "run", "--quiet", "--no-prompt", "--no-remote", "--no-check", "--no-lock"],
    // As the gateway runs its quic worker.
    ...["--v8-flags=--max-semi-space-size=2", "--unstable-net", ...permissions, program],
  ];
}
