import type { Answer } from "../../answer.ts";
import { Answers } from "./answers.ts";
import { Link, type LinkOptions } from "./link.ts";
import { TO_NODE, TO_WORKER } from "./opcodes.ts";
import type { Reader } from "./reader.ts";
import type { NodeQuestion } from "./server-options.ts";
import { packValue, unpackValue } from "./values.ts";
import { WireError } from "./wire-error.ts";

export interface ControlLinkOptions
  extends Pick<
    LinkOptions,
    "clock" | "afterTurn" | "counters" | "log" | "leaseMs" | "maxQueuedBytes"
  > {
  answer(method: string, argument: unknown, question: NodeQuestion): Answer<unknown>;
}

/** The node's end of a link to the command line, which ends with its stream. */
export class ControlLink {
  readonly link: Link;
  readonly #options: ControlLinkOptions;
  readonly #answers: Answers;

  constructor(options: ControlLinkOptions) {
    this.#options = options;
    this.link = new Link({
      ...options,
      whenFull: "drop",
      receive: (message) => this.#receive(message),
      silent: () => this.end(),
    });
    this.#answers = new Answers({
      link: this.link,
      log: options.log,
      codes: TO_WORKER,
      maxBytes: options.maxQueuedBytes / 2,
      // A link that is full drops what waits, and refuses nothing.
      refused: () => {},
    });
  }

  end(): void {
    this.link.dispose();
    this.#answers.cancelAll();
  }

  #receive(message: Reader): void {
    const code = message.uint();
    if (code !== TO_NODE.ask) throw new WireError(`there is no message ${code}`);
    const id = message.uint();
    const method = message.string();
    const argument = unpackValue(message.binView());
    this.#answers.giveValue(id, (cancellation) =>
      this.#options.answer(method, argument, {
        worker: undefined,
        cancellation,
        progress: (value) => this.#progress(id, value),
      }),
    );
  }

  #progress(id: number, value: unknown): void {
    const bytes = packValue(value);
    const writer = this.link.begin();
    writer.uint(TO_WORKER.progress);
    writer.uint(id);
    writer.bin(bytes);
    this.link.commit();
  }
}
