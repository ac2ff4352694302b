import { exitCodes } from "./exit-codes.ts";
import { exitNow } from "./exit-now.ts";

/** Lets `report` tell of the first error that nothing caught, then ends the process with 70. */
export function onCrash(report: (error: unknown) => Promise<void>): void {
  let crashed = false;
  const crash = (error: unknown): void => {
    if (crashed) return;
    crashed = true;
    const exit = () => exitNow(exitCodes.software);
    report(error).then(exit, exit);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}
