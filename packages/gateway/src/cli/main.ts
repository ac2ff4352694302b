import { systemClock } from "../runtime/system.ts";
import { exitNow } from "./exit-now.ts";
import { runCommand } from "./program.ts";

// Whoever read the output may go away, a pager or a log collector; the gateway must go on serving.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

/** How long the output may take to leave: a reader that has stalled must not keep the process. */
const DRAIN_MS = 1_000;

const exitCode = await runCommand(process.argv.slice(2), {
  environment: process.env,
  folder: process.cwd(),
  clock: systemClock,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
await Promise.race([
  Promise.all([drained(process.stdout), drained(process.stderr)]),
  new Promise((expire) => setTimeout(expire, DRAIN_MS)),
]);
// A start that failed half-way may have left a listener, which would keep the process alive.
exitNow(exitCode);

/** Resolves when everything before was written, or cannot be because the reader has gone. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}
