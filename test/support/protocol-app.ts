import { fileURLToPath } from "node:url";
import { within } from "./deadline.ts";

/**
 * Starts the server that the wire tests examine.
 *
 * Without any setting it is `test/wire/protocol-app.ts`. To run the same tests against another
 * implementation, set one of these environment variables:
 *
 * - `PROTOCOL_APP_ENGINE_URL`, `PROTOCOL_APP_HEARTBEAT_URL`, `PROTOCOL_APP_SOCKET_URL`: origins
 *   such as `http://127.0.0.1:3000` of servers that already run. Tests that kill and restart the
 *   server are then skipped.
 * - `PROTOCOL_APP_COMMAND`: a command, its words separated by spaces, to which `engine` or `socket`,
 *   the port and the ping timeout in milliseconds are appended. Port 0 asks for an ephemeral port;
 *   the first line on standard output has to be `listening on http://127.0.0.1:PORT`.
 *
 * Every implementation needs a ping interval of 300 ms, a maximum payload of 1,000,000 bytes, a
 * connect timeout of 1,000 ms and CORS `*`.
 *
 * - `engine`, at `/engine.io/`, echoes every message, text or binary; its ping timeout is 20,000 ms,
 *   so that no client on a busy machine is taken for dead.
 * - `heartbeat` is the same with a ping timeout of 2,000 ms, for tests that wait for it.
 * - `socket`, at `/socket.io/`, has the namespaces `/` and `/custom`. On connection both emit
 *   `auth` with the client's auth object. `/` answers `message` with `message-back` and the same
 *   arguments, and `message-with-ack` with an acknowledgement that carries them. Its ping timeout
 *   is 20,000 ms.
 */
export interface ProtocolApp {
  /** Origin without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Ends the server at once; a server that was already running is left alone. */
  kill(): Promise<void>;
}

export type ProtocolAppKind = "engine" | "heartbeat" | "socket";

/** What each kind is started as. */
const ARGUMENTS = {
  engine: { protocol: "engine", pingTimeoutMs: 20_000 },
  heartbeat: { protocol: "engine", pingTimeoutMs: 2_000 },
  socket: { protocol: "socket", pingTimeoutMs: 20_000 },
} as const satisfies Record<ProtocolAppKind, object>;

const startMs = 20_000;

/** The origin of a server that somebody else started, where one was named. */
export function runningProtocolApp(kind: ProtocolAppKind): string | undefined {
  const url = process.env[`PROTOCOL_APP_${kind.toUpperCase()}_URL`];
  return url === undefined || url === "" ? undefined : url.replace(/\/+$/, "");
}

export async function startProtocolApp(kind: ProtocolAppKind, port = 0): Promise<ProtocolApp> {
  const running = runningProtocolApp(kind);
  if (running !== undefined) {
    return { url: running, port: Number(new URL(running).port), kill: async () => {} };
  }
  const { protocol, pingTimeoutMs } = ARGUMENTS[kind];
  const child = Bun.spawn([...command(), protocol, String(port), String(pingTimeoutMs)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  try {
    const line = await within(firstLine(child.stdout), `start of ${kind} server`, startMs);
    const url = /^listening on (http:\/\/127\.0\.0\.1:\d+)\/?$/.exec(line.trim())?.[1];
    if (url === undefined) throw new Error(`the ${kind} server announced itself with "${line}"`);
    return { url, port: Number(new URL(url).port), kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

function command(): string[] {
  const { PROTOCOL_APP_COMMAND } = process.env;
  if (PROTOCOL_APP_COMMAND !== undefined && PROTOCOL_APP_COMMAND.trim() !== "") {
    return PROTOCOL_APP_COMMAND.trim().split(/\s+/);
  }
  return [process.execPath, fileURLToPath(new URL("../wire/protocol-app.ts", import.meta.url))];
}

/** Resolves with the first line and goes on reading, so that a full pipe never stops the server. */
function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const read = async () => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of stream) {
      if (text.includes("\n")) continue;
      text += decoder.decode(chunk, { stream: true });
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    }
    throw new Error("the server ended before it announced itself");
  };
  read().catch(reject);
  return promise;
}
