import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";

/** A listening TCP socket of the machine, as Linux prints it in /proc/net/tcp (see proc_pid_net(5)). */
export interface Listener {
  /** Address and port in the kernel's own notation, such as `0100007F:1F90`. */
  readonly local: string;
  readonly inode: number;
  /** Connections that are open and that the process has not accepted yet. */
  readonly acceptQueue: number;
}

/** The listeners that share one address and port, some of which are this process's own. */
export interface ReusePortGroup {
  readonly own: readonly OwnListener[];
  readonly listeners: readonly Listener[];
}

export interface OwnListener extends Listener {
  readonly fd: number;
}

const LISTEN = "0A";
const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
const READ_BYTES = 16_384;

/**
 * The groups that this process listens with on `ports`; looks at every open file of the process,
 * which takes some milliseconds where there are many.
 *
 * @throws Error where the system does not tell
 */
export function ownGroups(ports: ReadonlySet<number>): ReusePortGroup[] {
  const tables = readTables().map((listeners) =>
    listeners.filter((listener) => ports.has(portOf(listener))),
  );
  const fds = descriptors(new Set(tables.flat().map((listener) => listener.inode)));
  return tables.flatMap((listeners) => {
    const groups = Map.groupBy(listeners, (listener) => listener.local);
    return [...groups.values()]
      .map((members) => ({
        listeners: members,
        own: members.flatMap((listener) => {
          const fd = fds.get(listener.inode);
          return fd === undefined ? [] : [{ ...listener, fd }];
        }),
      }))
      .filter((group) => group.own.length > 0);
  });
}

/** The group as it is now. */
export function refreshed(group: ReusePortGroup): ReusePortGroup {
  const locals = new Set(group.own.map((listener) => listener.local));
  const inodes = new Set(group.own.map((listener) => listener.inode));
  const table = readTables().find((each) => each.some((listener) => inodes.has(listener.inode)));
  const listeners = (table ?? []).filter((listener) => locals.has(listener.local));
  const own = group.own.flatMap(({ fd, inode }) => {
    const now = listeners.find((listener) => listener.inode === inode);
    return now === undefined ? [] : [{ ...now, fd }];
  });
  return { own, listeners };
}

/** Whether the same listeners are in both. */
export function sameMembers(one: ReusePortGroup, other: ReusePortGroup): boolean {
  const inodes = new Set(one.listeners.map((listener) => listener.inode));
  return (
    one.listeners.length === other.listeners.length &&
    other.listeners.every((listener) => inodes.has(listener.inode))
  );
}

/** The listeners that the text of a table begins with, and whether it goes on with other sockets. */
export function parseListeners(text: string): { listeners: Listener[]; complete: boolean } {
  const listeners: Listener[] = [];
  // The first line has the titles; the last one may be cut.
  for (const line of text.split("\n").slice(1, -1)) {
    const [, local = "", , state, queues = "", , , , , inode = ""] = line.trim().split(/\s+/);
    if (state !== LISTEN) return { listeners, complete: true };
    const acceptQueue = Number.parseInt(queues.split(":")[1] ?? "", 16);
    listeners.push({ local, inode: Number(inode), acceptQueue });
  }
  return { listeners, complete: false };
}

function portOf(listener: Listener): number {
  return Number.parseInt(listener.local.split(":")[1] ?? "", 16);
}

function readTables(): Listener[][] {
  return TABLES.map(readListeners);
}

/** Reads no further than the listeners, which come first: there may be many thousands of others. */
function readListeners(path: string): Listener[] {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    for (let text = ""; ; ) {
      const length = readSync(file, buffer);
      text += buffer.toString("latin1", 0, length);
      const { listeners, complete } = parseListeners(text);
      if (complete || length === 0) return listeners;
    }
  } finally {
    closeSync(file);
  }
}

/** The open files of this process that have one of the inodes. */
function descriptors(inodes: ReadonlySet<number>): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    const inode = inodeOf(fd);
    if (inode !== undefined && inodes.has(inode)) found.set(inode, fd);
  }
  return found;
}

function inodeOf(fd: number): number | undefined {
  try {
    const status = fstatSync(fd);
    return status.isSocket() ? status.ino : undefined;
  } catch {
    // The folder was read through a descriptor that is closed by now.
    return undefined;
  }
}
