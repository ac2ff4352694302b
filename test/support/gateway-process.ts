import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, within } from "./deadline.ts";
import { type Host, THIS_HOST } from "./host.ts";

/** A gateway in a process of its own, as `starling start` runs it. */
export interface GatewayProcess {
  /** Origin of the publisher API, without a trailing slash. */
  readonly publisherUrl: string;
  /** Origin of the subscribers, without a trailing slash. */
  readonly subscriberUrl: string;
  readonly pid: number;
  /** The folder that it runs in, where a `.env` would be. */
  readonly folder: string;
  /** PEM file of the certificate that clients have to trust. */
  readonly caFile: string;
  /** The same as PEM text. */
  readonly ca: string;
  /** The log lines so far. */
  readonly logLines: readonly LogLine[];
  /** The greeting for the person at the terminal, as far as it is printed. */
  readonly greeting: string;
  /**
   * The next log line with that message that was not there at the last call for it. It may take as
   * long as a process takes to start: what is waited for tells of the quic worker.
   */
  nextLine(message: string): Promise<LogLine>;
  /** Tells the process to stop, once: a second signal would end it at once. */
  requestStop(): void;
  /** Stops the process as a service manager does, where nobody has yet, and gives back its exit code. */
  stop(): Promise<number>;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** How long a process may take to start, in milliseconds. */
export const START_MS = 40_000;
const STOP_MS = 10_000;
const COMMAND = fileURLToPath(new URL("../../packages/gateway/src/cli/main.ts", import.meta.url));

/**
 * Starts a gateway on ephemeral ports of the loopback address, or of another host's, with a state folder of its own and
 * without WebTransport, which is a process more; `environment` is all that it knows beside that, and
 * may name other ports or another folder.
 */
export async function startGatewayProcess(
  environment: Readonly<Record<string, string>> = {},
  host: Host = THIS_HOST,
): Promise<GatewayProcess> {
  const folder = mkdtempSync(join(tmpdir(), "starling-wire-"));
  const { PATH } = process.env;
  const child = Bun.spawn([...host.enter, process.execPath, COMMAND, "start"], {
    // A folder without a .env of whoever runs the tests.
    cwd: folder,
    env: {
      PATH,
      ...(host === THIS_HOST ? {} : { HOST: host.address }),
      STATE_DIR: join(folder, "state"),
      PRODUCER_PORT: "0",
      CONSUMER_PORT: "0",
      WEBTRANSPORT: "0",
      ...host.environment,
      ...environment,
    },
    stdout: "pipe",
    stderr: "inherit",
  });
  let isStopping = false;
  const requestStop = () => {
    if (!isStopping) child.kill("SIGTERM");
    isStopping = true;
  };
  const stop = async () => {
    requestStop();
    const code = await within(child.exited, "end of the gateway", STOP_MS);
    rmSync(folder, { recursive: true, force: true });
    return code;
  };
  const log = new LogReader(child.stdout);
  try {
    const [publisherUrl, subscriberUrl] = await within(
      Promise.all([
        log.urlOf("publisher API listening"),
        log.urlOf("subscriber listener listening"),
        log.lineOf("started"),
      ]),
      "start of the gateway",
      START_MS,
    );
    const { PUB_KEY_PATH, STATE_DIR } = { ...host.environment, ...environment };
    const caFile = PUB_KEY_PATH ?? join(STATE_DIR ?? join(folder, "state"), "dev-cert.pem");
    return {
      publisherUrl,
      subscriberUrl,
      pid: child.pid,
      folder,
      caFile,
      ca: readFileSync(caFile, "utf8"),
      logLines: log.lines,
      nextLine: (message) => log.nextLine(message),
      get greeting() {
        return log.greeting;
      },
      requestStop,
      stop,
    };
  } catch (error) {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Reads JSON lines to the end of the stream, so that a full pipe never stops the process. */
class LogReader {
  readonly lines: LogLine[] = [];
  greeting = "";
  readonly #waiting = new Map<string, (line: LogLine) => void>();
  readonly #ended: Promise<never>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#ended = this.#read(stream);
    this.#ended.catch(() => undefined);
  }

  /** How many lines with a message `nextLine` has given. */
  readonly #given = new Map<string, number>();

  async nextLine(message: string): Promise<LogLine> {
    const given = this.#given.get(message) ?? 0;
    const find = async () => this.lines.filter(({ msg }) => msg === message)[given];
    const line = await eventually(`a log line "${message}"`, find, START_MS);
    this.#given.set(message, given + 1);
    return line;
  }

  /** The first line with that message; rejects when the stream ends without one. */
  lineOf(message: string): Promise<LogLine> {
    const seen = this.lines.find(({ msg }) => msg === message);
    if (seen !== undefined) return Promise.resolve(seen);
    const { promise, resolve } = Promise.withResolvers<LogLine>();
    this.#waiting.set(message, resolve);
    return Promise.race([promise, this.#ended]);
  }

  async urlOf(message: string): Promise<string> {
    const { url } = await this.lineOf(message);
    if (typeof url !== "string") throw new Error(`the line "${message}" names no url`);
    return url.replace(/\/$/, "");
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<never> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const texts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = texts.pop() ?? "";
      for (const text of texts) this.#take(text);
    }
    throw new Error(`the gateway ended; it had logged ${JSON.stringify(this.lines)}`);
  }

  #take(text: string): void {
    if (!text.startsWith("{")) {
      this.greeting += `${text}\n`;
      return;
    }
    const line: LogLine = JSON.parse(text);
    this.lines.push(line);
    this.#waiting.get(line.msg)?.(line);
  }
}
