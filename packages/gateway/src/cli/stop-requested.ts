import type { Clock } from "@starling/core/ports.ts";
import type { ClosableLog } from "../ops/log.ts";
import { exitNow } from "./exit-now.ts";
import { StopSignals } from "./stop-signals.ts";

/** How long an exit that should be at once waits for the last lines of the log. */
const LAST_LINES_MS = 200;

/** Resolves with the first signal to stop; a later one exits at once, after `beforeExit`. */
export function stopRequested(
  clock: Clock,
  log: ClosableLog,
  beforeExit: () => void,
): Promise<NodeJS.Signals> {
  const signals = new StopSignals(clock);
  return new Promise((resolve) => {
    for (const [signal, number] of [
      ["SIGINT", 2],
      ["SIGTERM", 15],
    ] as const) {
      process.on(signal, () => {
        const action = signals.received();
        if (action === "stop") resolve(signal);
        if (action !== "exit") return;
        const exit = () => {
          // At the very end, since what it ends may let a graceful stop come to its own end.
          beforeExit();
          exitNow(128 + number);
        };
        log.close().then(exit, exit);
        clock.setTimeout(exit, LAST_LINES_MS);
      });
    }
  });
}
