/** What one step of a check or a test run came to. */
export interface StageResult {
  readonly passed: number;
  readonly failed: number;
}

/** Runs a command with its output shown; answers its exit code. */
export async function run(
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<number> {
  console.log(`\n$ ${command.join(" ")}`);
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
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
  let passed = 0;
  for (const command of commands) if ((await run(command)) === 0) passed++;
  return { passed, failed: commands.length - passed };
}
