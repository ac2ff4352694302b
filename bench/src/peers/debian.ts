import { existsSync } from "node:fs";

/** Path of a program or file of a Debian package; throws with what to install where it is missing. */
export function installed(peer: string, path: string, packages: readonly string[]): string {
  const found = path.startsWith("/") ? (existsSync(path) ? path : null) : inSystemPath(path);
  if (found !== null) return found;
  throw new Error(
    `the peer ${peer} needs ${path}: apt-get install ${packages.join(" ")}, or leave the peer out with --peers`,
  );
}

/** Servers lie in sbin, which is not in the PATH of every user. */
function inSystemPath(program: string): string | null {
  const { PATH = "" } = process.env;
  return Bun.which(program, { PATH: `${PATH}:/usr/sbin:/sbin` });
}

/** Version of an installed Debian package; "unknown" where it was installed by other means. */
export function debianVersion(name: string): string {
  if (Bun.which("dpkg-query") === null) return "unknown";
  const query = Bun.spawnSync(["dpkg-query", "--show", name]);
  return query.stdout.toString().trim().split("\t")[1] ?? "unknown";
}

/**
 * The command of a server that would outlive the bench, which the kernel then ends when the bench
 * is killed. setpriv is part of util-linux, which every Debian has.
 */
export function endsWithBench(command: readonly string[]): readonly string[] {
  const setpriv = Bun.which("setpriv");
  return setpriv === null ? command : [setpriv, "--pdeathsig", "TERM", ...command];
}
