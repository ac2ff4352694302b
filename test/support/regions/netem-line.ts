import { run } from "./ip.ts";
import type { Line, LineQuality } from "./line.ts";

/** One end of a line. */
export interface End {
  readonly namespace: string;
  readonly device: string;
}

/** A line whose both ends delay and lose what they send, as the kernel does it. */
export class NetemLine implements Line {
  readonly #ends: readonly End[];
  readonly #quality: readonly string[];

  /** Throws where the kernel has no netem. */
  constructor(ends: readonly End[], { delayMs, lossOf }: LineQuality) {
    this.#ends = ends;
    this.#quality = ["delay", `${delayMs}ms`, "loss", `${100 / lossOf}%`];
    this.#set("add", this.#quality);
  }

  cut(): Promise<void> {
    this.#set("change", ["loss", "100%"]);
    return Promise.resolve();
  }

  heal(): Promise<void> {
    this.#set("change", this.#quality);
    return Promise.resolve();
  }

  /** It goes with its ends. */
  stop(): Promise<void> {
    return Promise.resolve();
  }

  #set(what: "add" | "change", quality: readonly string[]): void {
    for (const { namespace, device } of this.#ends) {
      run("tc", "-n", namespace, "qdisc", what, "dev", device, "root", "netem", ...quality);
    }
  }
}
