import { StarlingError } from "@starling/protocol/errors.ts";
import type { Answer } from "../../answer.ts";
import type { Log } from "../../ports.ts";
import type { Cancellation } from "../broker.ts";
import { CancellationSource } from "../cancellation.ts";
import type { Link } from "./link.ts";
import { writeError } from "./messages.ts";
import { packValue } from "./values.ts";
import type { Writer } from "./writer.ts";

export interface AnswersOptions {
  readonly link: Link;
  readonly log: Log;
  /** First values of the messages that say an answer or a refusal. */
  readonly codes: { readonly answer: number; readonly fail: number };
  /** Bytes of an answer; more is refused, since it would push everything else out of the queue. */
  readonly maxBytes: number;
  /** An answer found no room, and whoever asked would wait for ever. */
  refused(): void;
}

/** Answers what the peer of a link asks, when the answer is there. */
export class Answers {
  readonly #options: AnswersOptions;
  readonly #running = new Map<number, CancellationSource>();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Sends what `find` answers or throws, as `write` writes it. */
  give<T>(id: number, find: () => Answer<T>, write: (writer: Writer, value: T) => void): void {
    let answer: Answer<T>;
    try {
      answer = find();
    } catch (error) {
      this.#fail(id, error);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        (value) => this.#send(id, value, write),
        (error: unknown) => this.#fail(id, error),
      );
    } else {
      this.#send(id, answer, write);
    }
  }

  /** The same for any value, and for what the peer can cancel. */
  giveValue(id: number, find: (cancellation: Cancellation) => Answer<unknown>): void {
    const source = new CancellationSource();
    this.#running.set(id, source);
    const answer = async () => {
      try {
        return packValue(await find(source));
      } finally {
        this.#running.delete(id);
      }
    };
    this.give(id, answer, (writer, value) => writer.raw(value));
  }

  cancel(id: number): void {
    this.#running.get(id)?.cancel();
    this.#running.delete(id);
  }

  /** Nobody waits for anything any more. */
  cancelAll(): void {
    for (const id of [...this.#running.keys()]) this.cancel(id);
  }

  #send<T>(id: number, value: T, write: (writer: Writer, value: T) => void): void {
    const { link, codes, maxBytes } = this.#options;
    const writer = link.begin();
    writer.uint(codes.answer);
    writer.uint(id);
    const place = writer.openBin();
    write(writer, value);
    writer.closeBin(place);
    if (link.messageBytes <= maxBytes) this.#commit();
    else this.#fail(id, new StarlingError("broker_unavailable", "the answer is too large"));
  }

  #fail(id: number, error: unknown): void {
    const { link, codes, log } = this.#options;
    if (!(error instanceof StarlingError)) {
      log.error({ err: error }, "a question of another process was not answered");
    }
    const writer = link.begin();
    writer.uint(codes.fail);
    writer.uint(id);
    writeError(writer, error);
    this.#commit();
  }

  #commit(): void {
    const { link, refused } = this.#options;
    if (!link.commit(2) && !link.isDisposed) refused();
  }
}
