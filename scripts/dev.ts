/**
 * Runs the gateway and starts it afresh whenever a source changes; after a change that does not
 * even build it waits for the next one.
 */
import { watch } from "node:fs";

const command = [process.execPath, "packages/gateway/src/cli/main.ts", "start"];
/** Editors write a file in several steps. */
const SETTLE_MS = 100;

let child = start();
let timer: Timer | undefined;
/** The gateway that was told to end. */
let ending: Bun.Subprocess | undefined;
let isStopping = false;

function start(): Bun.Subprocess {
  const started = Bun.spawn(command, { stdio: ["ignore", "inherit", "inherit"] });
  void started.exited.then((code) => {
    if (!isStopping && started !== ending && code !== 0) {
      console.error(`\nThe gateway ended with ${code}; waiting for a change.`);
    }
  });
  return started;
}

async function restart(): Promise<void> {
  const previous = child;
  // A second signal would cut short what the first one asked for.
  if (previous !== ending) previous.kill("SIGTERM");
  ending = previous;
  await previous.exited;
  if (!isStopping && child === previous) child = start();
}

watch("packages", { recursive: true }, (_event, file) => {
  if (file === null || !/\.(ts|js|css|html|json)$/.test(file)) return;
  clearTimeout(timer);
  timer = setTimeout(() => void restart(), SETTLE_MS);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, async () => {
    isStopping = true;
    child.kill("SIGTERM");
    process.exit(await child.exited);
  });
}
