import { isRunning } from "../faults/node-under-test.ts";
import { attempt, run } from "./ip.ts";

const NAME = /^stl(\d+)x\w+$/;

/** A name that nothing has yet; one character more, and another one, leave room for it as that of an interface. */
export function newName(): string {
  const taken = attempt("ip", "netns", "list") ? namespaces() : [];
  for (;;) {
    const random = crypto.getRandomValues(new Uint8Array(1))[0] ?? 0;
    const name = `stl${process.pid}x${random.toString(16)}`;
    if (!taken.some((each) => each.startsWith(name))) return name;
  }
}

/** The end of the line between a namespace and the test that is outside. */
export function outerEnd(namespace: string): string {
  return `${namespace}o`;
}

/** Removes a namespace with all that runs in it, and its interfaces. */
export function removeNamespace(name: string): void {
  for (const pid of pidsIn(name)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  // Connections that nobody has any more can keep a namespace for minutes when its name is gone.
  attempt("ip", "link", "del", outerEnd(name));
  attempt("ip", "netns", "del", name);
}

/** Removes what runs have left that were killed. */
export function removeLeftovers(): void {
  for (const name of namespaces()) {
    const [, pid] = NAME.exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) removeNamespace(name);
  }
}

function pidsIn(name: string): readonly number[] {
  try {
    return run("ip", "netns", "pids", name).split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function namespaces(): readonly string[] {
  const lines = run("ip", "netns", "list").split("\n");
  return lines.map((line) => line.split(" ")[0] ?? "").filter(Boolean);
}
