import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "./deadline.ts";
import type { IssuedCertificate } from "./issued-certificate.ts";
import { BINARY, freePort, untilGreeted } from "./nats-server.ts";

const FOLDER = fileURLToPath(new URL("../../deploy/nats/", import.meta.url));
const LOOPBACK = "127.0.0.1";
/** How long servers may take to find one another on a busy machine, ms. */
const JOIN_MS = 60_000;

/** Passwords of the users of the configurations. */
const PASSWORDS = {
  NODE_PASSWORD: "of-the-nodes",
  BACKEND_PASSWORD: "of-the-back-ends",
  OPERATOR_PASSWORD: "of-the-operator",
  LEAF_PASSWORD: "of-the-leaves",
};

/** Servers that run the configurations of `deploy/nats` as they stand, on ports of the loopback address. */
export class DeployedNats implements AsyncDisposable {
  readonly #certificate: IssuedCertificate;
  readonly #folder = mkdtempSync(join(tmpdir(), "starling-deployed-"));
  readonly #processes: Bun.Subprocess[] = [];
  readonly #ports = new Set<number>();

  constructor(certificate: IssuedCertificate) {
    this.#certificate = certificate;
  }

  /** Resolves with the address for clients once the server is there. */
  async start(
    configuration: string,
    name: string,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const port = await this.#port();
    const { certFile, keyFile, authorityFile } = this.#certificate;
    const path = join(FOLDER, configuration);
    const child = Bun.spawn([BINARY, "-c", path, "-l", join(this.#folder, `${name}.log`)], {
      env: {
        SERVER_NAME: name,
        LISTEN: `${LOOPBACK}:${port}`,
        STORE_DIR: join(this.#folder, name),
        TLS_CERT: certFile,
        TLS_KEY: keyFile,
        TLS_CA: authorityFile,
        ...PASSWORDS,
        ...environment,
      },
      stdio: ["ignore", "ignore", "ignore"],
    });
    this.#processes.push(child);
    await untilGreeted(port, child);
    return `tls://${LOOPBACK}:${port}`;
  }

  /** Resolves once one of these servers has said something in its log: that it has found another one, for example. */
  async says(text: string, ...names: readonly string[]): Promise<void> {
    const paths = names.map((name) => join(this.#folder, `${name}.log`));
    const isSaid = async () =>
      paths.some((path) => readFileSync(path, "utf8").includes(text)) ? true : undefined;
    await eventually(`"${text}" of ${names.join()}`, isSaid, JOIN_MS);
  }

  /** What a node is told of the servers. */
  nodeSettings(...urls: readonly string[]): Record<string, string> {
    return {
      NATS_URL: urls.join(","),
      NATS_CA: this.#certificate.authorityFile,
      NATS_USER: "node",
      NATS_PASSWORD: PASSWORDS.NODE_PASSWORD,
    };
  }

  /** What an example of a back end is told of the servers. */
  get backEnd(): Record<string, string> {
    return {
      NATS_CA: this.#certificate.authorityFile,
      NATS_USER: "backend",
      NATS_PASSWORD: PASSWORDS.BACKEND_PASSWORD,
    };
  }

  /** Addresses for servers to listen on, which nobody has. */
  async addresses(count: number): Promise<string[]> {
    const all: string[] = [];
    while (all.length < count) all.push(`${LOOPBACK}:${await this.#port()}`);
    return all;
  }

  /** Another one each time, also where nobody listens on the last one yet. */
  async #port(): Promise<number> {
    for (;;) {
      const port = await freePort();
      if (this.#ports.has(port)) continue;
      this.#ports.add(port);
      return port;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) child.kill("SIGKILL");
    await Promise.all(this.#processes.map(({ exited }) => exited));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
