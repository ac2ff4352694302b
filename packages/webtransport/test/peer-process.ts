import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eventually, patience, within } from "../../../test/support/deadline.ts";
import { Inbox } from "../../../test/support/inbox.ts";
import type { ServerCertificate } from "../../../test/support/server-certificate.ts";

/** What the server of peer.ts prints. */
export interface PeerEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

export const DENO = fileURLToPath(new URL("../../../node_modules/.bin/deno", import.meta.url));
const PROGRAM = fileURLToPath(new URL("peer.ts", import.meta.url));
const FLAGS = ["--no-prompt", "--no-config", "--no-lock", "--unstable-net", "--allow-net"];
const START_MS = 20_000;
const STOP_MS = 10_000;
/** A client that vanished is noticed when its connection has been idle for three seconds. */
const IDLE_MS = 10_000;

/** The base64 of the hash by which a page knows a certificate. */
export function certificateHash(certificate: ServerCertificate): string {
  const { raw } = new X509Certificate(readFileSync(certificate.certFile));
  return createHash("sha256").update(raw).digest("base64");
}

/** A process of Deno, whose lines of JSON are read and which takes lines as commands. */
export class DenoProcess {
  readonly #events = new Inbox<PeerEvent>();
  readonly #child;

  constructor(program: string, args: readonly string[], flags: readonly string[] = []) {
    const { PATH, HOME } = process.env;
    this.#child = Bun.spawn([DENO, "run", ...FLAGS, ...flags, program, ...args], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
      env: { PATH, HOME, NO_COLOR: "1" },
    });
    this.#read().catch((error) => this.#events.end(String(error)));
  }

  /** The next event of that name; those that come before it are passed over. */
  async next(name: string, ms = patience): Promise<PeerEvent> {
    const end = Date.now() + ms;
    for (;;) {
      const event = await this.#events.next(name, end - Date.now());
      if (event.event === "error") throw new Error(JSON.stringify(event));
      if (event.event === name) return event;
    }
  }

  /** Forgets what has happened so far. */
  forget(): void {
    this.#events.takeAll();
  }

  send(command: string): void {
    this.#child.stdin.write(`${command}\n`);
    this.#child.stdin.flush();
  }

  get exited(): Promise<number> {
    return within(this.#child.exited, "end of the process", STOP_MS);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await this.#child.exited;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#events.push(JSON.parse(line));
    }
    this.#events.end("the process has ended");
  }
}

/** The server of peer.ts. */
export class PeerServer extends DenoProcess {
  port = 0;

  /**
   * Starts it on a port that is free, or on the one that it had before.
   *
   * @param idleMs after which a client that says nothing is gone
   */
  static async start(
    certificate: ServerCertificate,
    port = 0,
    idleMs = 3_000,
  ): Promise<PeerServer> {
    const { certFile, keyFile } = certificate;
    const flags = ["--allow-read", "--v8-flags=--expose-gc"];
    const server = new PeerServer(
      PROGRAM,
      [certFile, keyFile, String(port), String(idleMs)],
      flags,
    );
    const { port: bound } = await server.next("listening", START_MS);
    server.port = Number(bound);
    return server;
  }

  url(path: string): string {
    return `https://127.0.0.1:${this.port}${path}`;
  }

  async stats(): Promise<PeerEvent> {
    this.send("stats");
    return this.next("stats");
  }

  /** Settles when there is no connection and no session any more. */
  async idle(): Promise<void> {
    const isIdle = async () => {
      const { connections, sessions, openStreams } = await this.stats();
      if (connections === 0 && sessions === 0 && openStreams === 0) return true;
      await Bun.sleep(50);
      return undefined;
    };
    await eventually("the end of all sessions", isIdle, IDLE_MS);
  }

  /** Collects garbage, three times over. */
  async collect(): Promise<void> {
    this.send("gc");
    await this.next("collected");
  }

  /** Closes it as an operator would; the exit code. */
  async stop(): Promise<number> {
    this.send("stop");
    return this.exited;
  }
}
