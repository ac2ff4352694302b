import { closeSync, openSync } from "node:fs";

/** What one step of a check or a test run came to. */
export interface StageResult {
  readonly passed: number;
  /** What failed, each in one line or a few. */
  readonly failures: readonly string[];
}

/** Shows what failed, and then the counts as the last line, which is all that some logs keep. */
export function conclude({ passed, failures }: StageResult): void {
  if (failures.length > 0) console.log(`\nFailed:\n\n${failures.join("\n\n")}`);
  console.log(`\n${passed} passed, ${failures.length} failed`);
  process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1;
}

export interface RunOptions {
  /** What the command is told beside what this process is. */
  readonly env?: NodeJS.ProcessEnv;
  /** File that what it prints is added to; default: it is shown. */
  readonly output?: string | undefined;
}

/** Runs a command; answers its exit code. */
export async function run(
  command: readonly string[],
  { env = {}, output }: RunOptions = {},
): Promise<number> {
  console.log(`\n$ ${command.join(" ")}`);
  const file = output === undefined ? undefined : openSync(output, "a");
  const child = Bun.spawn([...command], {
    stdio: ["ignore", file ?? "inherit", file ?? "inherit"],
    env: { ...process.env, ...env },
  });
  if (file !== undefined) closeSync(file);
  return child.exited;
}

/** The steps of `npm run check`: format and lint, types, and whether generated pages are current. */
export async function check(): Promise<StageResult> {
  const commands = [
    ["biome", "ci", "--error-on-warnings", "."],
    ["tsc", "-p", "packages/protocol"],
    ["tsc", "-p", "packages/core"],
    ["tsc", "-p", "packages/webtransport"],
    ["tsc", "-p", "packages/quic-worker"],
    ["tsc", "-p", "."],
    ["bun", "scripts/docs.ts", "--check"],
  ];
  const failures: string[] = [];
  for (const command of commands) {
    if ((await run(command)) !== 0) failures.push(command.join(" "));
  }
  return { passed: commands.length - failures.length, failures };
}
