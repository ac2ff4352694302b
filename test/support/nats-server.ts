import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Host, THIS_HOST } from "./host.ts";

/** Debian's server. */
export const BINARY = "/usr/sbin/nats-server";
/** How long a server may take to start on a busy machine, ms. */
const START_MS = 20_000;
/** A signal has its effect after some microseconds. */
const PAUSE_MS = 1_000;

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export interface NatsServerOptions {
  /** Default: this one. */
  readonly host?: Host;
  /** Whether it has JetStream; default `true`. */
  readonly keeps?: boolean;
  /** The domain of its JetStream; default: none. */
  readonly domain?: string;
}

/** A nats-server of a test, which can be killed and started again on its port. */
export class NatsServer {
  readonly port: number;
  readonly #options: NatsServerOptions;
  readonly #folder: string;
  #process: Bun.Subprocess | undefined;

  private constructor(port: number, folder: string, options: NatsServerOptions) {
    this.port = port;
    this.#folder = folder;
    this.#options = options;
  }

  /** @param more lines of its configuration file */
  static async start(more = "", options: NatsServerOptions = {}): Promise<NatsServer> {
    const folder = mkdtempSync(join(tmpdir(), "starling-nats-"));
    const port = await freePort();
    const server = new NatsServer(port, folder, options);
    server.configure(more);
    try {
      await server.restart();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `nats://${this.#host.address}:${this.port}`;
  }

  /** What its configuration file says from the next start on, beside the port and the folder. */
  configure(more: string): void {
    const { keeps = true, domain } = this.#options;
    const folder = `store_dir: "${join(this.#folder, "js")}"`;
    const storage = domain === undefined ? folder : `${folder}, domain: ${domain}`;
    const lines = [
      `listen: "${this.#host.address}:${this.port}"`,
      ...(keeps ? [`jetstream: { ${storage} }`] : []),
      more,
    ];
    writeFileSync(this.#config, lines.join("\n"));
  }

  /** Starts it again after `kill`. */
  async restart(): Promise<void> {
    const log = join(this.#folder, "nats.log");
    const command = [...this.#host.enter, BINARY, "-c", this.#config, "-l", log];
    this.#process = Bun.spawn(command, {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await untilGreeted(this.port, this.#process, this.#host.address);
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }

  /** Nothing of it answers from the moment that this returns, until `resume`; its connections stay. */
  pause(): void {
    if (this.#process === undefined) return;
    this.#process.kill("SIGSTOP");
    const deadline = Date.now() + PAUSE_MS;
    while (!isStopped(this.#process.pid) && Date.now() < deadline);
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #host(): Host {
    return this.#options.host ?? THIS_HOST;
  }

  get #config(): string {
    return join(this.#folder, "nats.conf");
  }
}

/** Resolves once a server that was just started serves clients; rejects where it has ended. */
export async function untilGreeted(
  port: number,
  server: Bun.Subprocess,
  hostname = THIS_HOST.address,
): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    try {
      await greeting(port, hostname);
      return;
    } catch (error) {
      if (Date.now() > deadline || server.exitCode !== null) throw error;
      await Bun.sleep(20);
    }
  }
}

/** A server says hello before it asks who one is. */
async function greeting(port: number, hostname: string): Promise<void> {
  const greeted = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname,
    port,
    socket: {
      data: () => greeted.resolve(),
      close: () => greeted.reject(new Error("the server hung up")),
      error: (_socket, error) => greeted.reject(error),
    },
  });
  await greeted.promise;
  socket.end();
}

/** Whether a signal that stops a process has reached all of its threads, see proc(5). */
function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  });
}
