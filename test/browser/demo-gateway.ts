import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/deadline.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";

/** A gateway that can be stopped and started again as the same one, and what it prints. */
export class DemoGateway implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-browser-"));
  #process: GatewayProcess | undefined;
  #isRunning = false;
  #curl = "";
  readonly #environment: Readonly<Record<string, string>>;

  constructor(environment: Readonly<Record<string, string>> = {}) {
    this.#environment = environment;
  }

  /** The address of the demo page. */
  get page(): string {
    return `${this.subscriberUrl}/demo`;
  }

  get subscriberUrl(): string {
    return this.#started.subscriberUrl;
  }

  get publisherUrl(): string {
    return this.#started.publisherUrl;
  }

  /** The command that it printed, letter by letter. */
  get curl(): string {
    return this.#curl;
  }

  /** The file of the certificate that it made for itself. */
  get certificateFile(): string {
    return this.#started.caFile;
  }

  /** The file of that certificate's key. */
  get keyFile(): string {
    return join(this.#folder, "dev-key.pem");
  }

  /** The text of the certificate, PEM. */
  get certificate(): string {
    return this.#started.ca;
  }

  /** Listens on ports that the system chooses, and after a stop on the same ones again. */
  async start(): Promise<void> {
    const gateway = await startGatewayProcess({
      STATE_DIR: this.#folder,
      PRODUCER_PORT: portOf(this.#process?.publisherUrl),
      CONSUMER_PORT: portOf(this.#process?.subscriberUrl),
      ...this.#environment,
    });
    this.#process = gateway;
    this.#isRunning = true;
    const { WEBTRANSPORT } = this.#environment;
    if (WEBTRANSPORT === "1") await gateway.nextLine("WebTransport listening");
    this.#curl = await eventually("the printed command", async () => {
      return /^ {2}(curl .+)\n/m.exec(gateway.greeting)?.[1];
    });
  }

  /** Stops it as a service manager does. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    await this.#started.stop();
  }

  /** Stops it and removes what it wrote. */
  async discard(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.discard();
  }

  get #started(): GatewayProcess {
    if (this.#process === undefined) throw new Error("the gateway was not started");
    return this.#process;
  }
}

function portOf(url: string | undefined): string {
  return url === undefined ? "0" : new URL(url).port;
}
