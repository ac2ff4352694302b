/** What Node and Bun call at the very end of `process.exit`. */
interface ExitingProcess {
  reallyExit(code: number): never;
}

/**
 * Ends the process. `process.exit` of Bun waits for writes under way, and a reader of the output that
 * has stalled would hold one up for ever.
 */
export function exitNow(code: number): never {
  const { reallyExit } = process as NodeJS.Process & ExitingProcess;
  return reallyExit.call(process, code);
}
