/** Runs a command of iproute2; throws where it fails, or is not there. */
export function run(...command: readonly string[]): string {
  // Where it is not in the PATH of every user.
  const { PATH: usual = "" } = process.env;
  const PATH = `${usual}:/usr/sbin:/sbin`;
  const [program = "", ...rest] = command;
  const path = Bun.which(program, { PATH });
  if (path === null) throw new Error(`there is no ${program}`);
  const { exitCode, stdout, stderr } = Bun.spawnSync([path, ...rest], { stdin: "ignore" });
  if (exitCode === 0) return stdout.toString();
  throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
}

/** Whether it succeeded. */
export function attempt(...command: readonly string[]): boolean {
  try {
    run(...command);
    return true;
  } catch {
    return false;
  }
}
