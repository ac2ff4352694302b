import { fileURLToPath } from "node:url";
import { PresencePeer } from "./presence-peer.ts";
import type { Call } from "./presence-program.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./presence-program.ts"));

/** A program with a user of the published presence client, outside of a browser. */
export class PresenceChild {
  readonly peer: PresencePeer;
  readonly #child: Bun.Subprocess;
  readonly #answers = new Map<number, (value: unknown) => void>();
  #calls = 0;

  /** @param caFile PEM file of the certificate that the program trusts */
  constructor(caFile: string) {
    this.#child = Bun.spawn([process.execPath, PROGRAM], {
      env: { NODE_EXTRA_CA_CERTS: caFile },
      stdout: "ignore",
      stderr: "inherit",
      ipc: ({ number, value }: { number: number; value: unknown }) => {
        this.#answers.get(number)?.(value);
        this.#answers.delete(number);
      },
    });
    this.peer = new PresencePeer((method, ...args) => {
      const number = this.#calls++;
      const { promise, resolve } = Promise.withResolvers<unknown>();
      this.#answers.set(number, resolve);
      this.#child.send({ number, method, args } satisfies Call);
      return promise;
    });
  }

  /** Ends it without a word from the client. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
