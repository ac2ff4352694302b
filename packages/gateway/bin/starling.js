#!/usr/bin/env node
// Node only launches: the gateway itself runs on the Bun that npm installed beside it.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** EX_SOFTWARE of BSD's `sysexits.h`. */
const SOFTWARE_FAULT = 70;

const require = createRequire(import.meta.url);
const bun = join(dirname(require.resolve("bun/package.json")), "bin", "bun.exe");
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

// The gateway reads .env itself; Bun would expand "$" in secrets and patterns.
const args = ["--no-env-file", main, ...process.argv.slice(2)];
const child = spawn(bun, args, { stdio: "inherit" });

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));

child.on("error", (error) => {
  console.error(`starling: cannot run Bun (${bun}): ${error.message}`);
  console.error("starling: npm must be allowed to run the install script of the package bun");
  process.exit(SOFTWARE_FAULT);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? SOFTWARE_FAULT);
  // What ends the gateway ends the launcher, so that a service manager sees the signal.
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
});
