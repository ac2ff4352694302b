import type { RunningPeer } from "./peers/peer.ts";

const START_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 5_000;
const KEPT_LINES = 20;

/** A child process, as far as ending it needs to know. */
interface Child {
  readonly pid: number;
  readonly exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
}

const running = new Map<number, Child>();

/** Remembers a child so that it is ended whatever happens to the run. */
export function track<T extends Child>(child: T): T {
  running.set(child.pid, child);
  void child.exited.then(() => running.delete(child.pid));
  return child;
}

/** Ends one tracked child: politely, then by force. */
export async function end(pid: number): Promise<void> {
  const child = running.get(pid);
  if (child === undefined) return;
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), END_TIMEOUT_MS);
  await child.exited;
  clearTimeout(force);
}

/** Ends every tracked child. */
export async function endAll(): Promise<void> {
  await Promise.all([...running.keys()].map(end));
}

export interface ServerCommand {
  readonly command: readonly string[];
  /** Working directory: an empty one, so that no `.env` of the repository is read. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Finds addresses in a line that the server has written; by default `listening`. */
  readonly announced?: (line: string) => Announced;
}

/** Addresses that a server says it listens on. */
export type Announced = Partial<RunningPeer["urls"]>;

/**
 * Starts a server and waits until it has announced the addresses that publishers and subscribers
 * connect to, on its standard output or error.
 */
export async function startListening(server: ServerCommand): Promise<RunningPeer> {
  const [program, ...rest] = server.command;
  if (program === undefined) throw new Error("empty command");
  const { PATH = "", HOME = "" } = process.env;
  const child = track(
    Bun.spawn([program, ...rest], {
      cwd: server.directory,
      // Only what a process needs to run: settings of the caller's shell must not reach a peer.
      env: {
        PATH,
        HOME,
        ...server.environment,
      },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const lines: string[] = [];
  const keep = (line: string): void => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  };
  const announced = server.announced ?? listening;
  const urls: Announced = {};
  const ready = Promise.withResolvers<RunningPeer>();
  const take = (line: string): void => {
    keep(line);
    const { publisher, subscriber } = Object.assign(urls, announced(line));
    if (publisher !== undefined && subscriber !== undefined) {
      ready.resolve({ pid: child.pid, urls: { publisher, subscriber } });
    }
  };
  void eachLine(child.stderr, take);
  void eachLine(child.stdout, take);
  const fail = (reason: string): void =>
    ready.reject(new Error(`${server.command.join(" ")}: ${reason}\n${lines.join("\n")}`));
  void child.exited.then((code) => fail(`ended with code ${code} before it listened`));
  const timeout = setTimeout(() => fail("did not listen in time"), START_TIMEOUT_MS);
  try {
    return await ready.promise;
  } catch (error) {
    await end(child.pid);
    throw error;
  } finally {
    clearTimeout(timeout);
  }
}

/** Reads a line such as `{"msg":"publisher API listening","url":"https://..."}`. */
export function listening(line: string): Announced {
  const entry = logEntry(line);
  if (entry?.url === undefined) return {};
  if (entry.msg === "publisher API listening") return { publisher: loopback(entry.url) };
  if (entry.msg === "subscriber listener listening") return { subscriber: loopback(entry.url) };
  return {};
}

/** What a server's log lines may say of its addresses. */
export interface LogEntry {
  readonly msg?: unknown;
  readonly url?: unknown;
  readonly publisherUrl?: unknown;
  readonly subscriberUrl?: unknown;
  readonly port?: unknown;
}

/** Reads a line that is a JSON object; undefined for any other line. */
export function logEntry(line: string): LogEntry | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** An address on this machine; throws when it is none. */
export function loopback(address: unknown): URL {
  const url = new URL(String(address));
  // The name may resolve to ::1 first, where a listener on 127.0.0.1 does not answer.
  if (url.hostname === "localhost") url.hostname = "127.0.0.1";
  return url;
}

/** Reads to the end, because a full pipe would stop the child. */
export async function eachLine(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) take(part);
  }
  if (rest !== "") take(rest);
}
