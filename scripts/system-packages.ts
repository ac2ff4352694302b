import { existsSync } from "node:fs";
import { run } from "./stage.ts";

/** Programs that the tests run as the real thing, and the Debian package that brings each. */
const programs: Readonly<Record<string, string>> = {
  chromium: "chromium",
  curl: "curl",
  faketime: "faketime",
  "nats-server": "nats-server",
  openssl: "openssl",
};

/**
 * Installs what is missing where this user may; answers the programs that are still missing.
 */
export async function ensurePrograms(): Promise<readonly string[]> {
  const absent = missing();
  if (absent.length === 0) return [];
  const mayInstall = process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  if (mayInstall) {
    const packages = absent.map((program) => programs[program] ?? program);
    await run(["apt-get", "update", "-qq"]);
    await run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
  }
  return missing();
}

/** What to do about programs that could not be installed. */
export function advice(absent: readonly string[]): string {
  const packages = absent.map((program) => programs[program] ?? program).join(" ");
  return `the tests need ${absent.join(", ")}; on Debian: apt-get install ${packages}`;
}

/** Servers lie in sbin, which is not in the PATH of every user. */
function missing(): string[] {
  const { PATH = "" } = process.env;
  const places = { PATH: `${PATH}:/usr/sbin` };
  return Object.keys(programs).filter((program) => Bun.which(program, places) === null);
}
