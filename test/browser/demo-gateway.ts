import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { within } from "../support/deadline.ts";

const START_MS = 20_000;
/** A browser may hold an unused connection open, for which the gateway waits some ten seconds. */
const STOP_MS = 30_000;
const STARLING = resolve(import.meta.dir, "../../packages/gateway/src/cli/main.ts");

/** What a gateway prints once it listens. */
interface Greeting {
  readonly publisherUrl: string;
  readonly subscriberUrl: string;
  /** The command to copy. */
  readonly curl: string;
}

/** A gateway in a process of its own that can be stopped and started again as the same one. */
export class DemoGateway {
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-browser-"));
  #process: Bun.Subprocess | undefined;
  #greeting: Greeting | undefined;

  /** The address of the demo page. */
  get page(): string {
    return `${this.#greeted.subscriberUrl}/demo`;
  }

  get publisherUrl(): string {
    return this.#greeted.publisherUrl;
  }

  /** The command that it printed, letter by letter. */
  get curl(): string {
    return this.#greeted.curl;
  }

  /** The file of the certificate that it made for itself. */
  get certificateFile(): string {
    return join(this.#folder, "state", "dev-cert.pem");
  }

  /** The file of that certificate's key. */
  get keyFile(): string {
    return join(this.#folder, "state", "dev-key.pem");
  }

  /** The text of the certificate, PEM. */
  get certificate(): string {
    return readFileSync(this.certificateFile, "utf8");
  }

  /** Listens on ports that the system chooses, and after a stop on the same ones again. */
  async start(): Promise<void> {
    const { PATH } = process.env;
    const child = Bun.spawn([process.execPath, STARLING, "start"], {
      // A folder without a .env of whoever runs the tests.
      cwd: this.#folder,
      env: {
        PATH,
        STATE_DIR: join(this.#folder, "state"),
        PRODUCER_PORT: portOf(this.#greeting?.publisherUrl),
        CONSUMER_PORT: portOf(this.#greeting?.subscriberUrl),
      },
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#process = child;
    this.#greeting = await within(greetingOf(child.stdout), "start of the gateway", START_MS);
  }

  /** Stops it as a service manager does. */
  async stop(): Promise<void> {
    if (this.#process === undefined) return;
    this.#process.kill("SIGTERM");
    await within(this.#process.exited, "end of the gateway", STOP_MS);
  }

  /** Stops it and removes what it wrote. */
  async discard(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #greeted(): Greeting {
    if (this.#greeting === undefined) throw new Error("the gateway was not started");
    return this.#greeting;
  }
}

function portOf(url: string | undefined): string {
  return url === undefined ? "0" : new URL(url).port;
}

/** Reads to the end of the stream, so that a full pipe never stops the gateway. */
function greetingOf(stream: ReadableStream<Uint8Array>): Promise<Greeting> {
  const { promise, resolve, reject } = Promise.withResolvers<Greeting>();
  const read = async () => {
    const decoder = new TextDecoder();
    let text = "";
    let greeting: Greeting | undefined;
    for await (const chunk of stream) {
      if (greeting !== undefined) continue;
      text += decoder.decode(chunk, { stream: true });
      greeting = readGreeting(text);
      if (greeting !== undefined) resolve(greeting);
    }
    throw new Error(`the gateway ended; it had printed:\n${text}`);
  };
  read().catch(reject);
  return promise;
}

/** Undefined while a part is missing. */
function readGreeting(text: string): Greeting | undefined {
  const publisherUrl = /^ {2}Publishers +(\S+)\n/m.exec(text)?.[1];
  const subscriberUrl = /^ {2}Subscribers +(\S+)\n/m.exec(text)?.[1];
  const curl = /^ {2}(curl .+)\n/m.exec(text)?.[1];
  if (publisherUrl === undefined || subscriberUrl === undefined || curl === undefined) {
    return undefined;
  }
  return { publisherUrl, subscriberUrl, curl };
}
