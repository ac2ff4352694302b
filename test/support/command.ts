import { fileURLToPath } from "node:url";
import { within } from "./deadline.ts";

const COMMAND = fileURLToPath(new URL("../../packages/gateway/src/cli/main.ts", import.meta.url));
const COMMAND_MS = 30_000;

export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the starling command to its end, in a folder of its own and with nothing else in its environment. */
export async function starling(
  args: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<CommandOutcome> {
  const { PATH } = process.env;
  const child = Bun.spawn([process.execPath, COMMAND, ...args], {
    cwd: folder,
    env: { PATH, ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  try {
    const ended = Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    const [code, out, err] = await within(ended, `starling ${args.join(" ")}`, COMMAND_MS);
    return { code, out, err };
  } finally {
    child.kill("SIGKILL");
  }
}
