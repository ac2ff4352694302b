import type { IncomingStream, TwoWayStream } from "../sessions/engine/stream-transport.ts";
import type { PacedWriter, Pacer } from "../sessions/stream-outbox.ts";

type End = "finished" | "reset";

/** Flushes when a test says that the turn is over. */
export class FakePacer implements Pacer {
  #writers: PacedWriter[] = [];

  add(writer: PacedWriter): void {
    this.#writers.push(writer);
  }

  /** Ends the turn, and lets the promises of it settle. */
  async turn(): Promise<void> {
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) {
      writer.flush();
      if (writer.hasMore) this.#writers.push(writer);
    }
    for (let left = 5; left > 0; left--) await Promise.resolve();
  }

  /** Ends turns until nobody has anything to send. */
  async settle(): Promise<void> {
    do await this.turn();
    while (this.#writers.length > 0);
  }
}

/** The receiving side of a stream, which a test fills. */
class FakeIncoming implements IncomingStream {
  isCanceled = false;
  readonly #chunks: (Uint8Array | End)[] = [];
  #waiting: { into: Uint8Array<ArrayBuffer>; resolve(result: Uint8Array | End): void } | undefined;

  read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | End> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array<ArrayBuffer> | End>();
    this.#waiting = { into, resolve: resolve as (result: Uint8Array | End) => void };
    this.#serve();
    return promise;
  }

  cancel(): void {
    this.isCanceled = true;
    this.push("reset");
  }

  push(chunk: Uint8Array | End): void {
    this.#chunks.push(chunk);
    this.#serve();
  }

  #serve(): void {
    const chunk = this.#chunks.shift();
    if (chunk === undefined || this.#waiting === undefined) {
      if (chunk !== undefined) this.#chunks.unshift(chunk);
      return;
    }
    const { into, resolve } = this.#waiting;
    this.#waiting = undefined;
    if (typeof chunk === "string") {
      resolve(chunk);
      return;
    }
    const part = chunk.subarray(0, into.length);
    if (part.length < chunk.length) this.#chunks.unshift(chunk.subarray(part.length));
    into.set(part);
    resolve(into.subarray(0, part.length));
  }
}

/** A stream of a client, and what it was sent. */
export class FakeTwoWayStream implements TwoWayStream {
  readonly receive = new FakeIncoming();
  readonly written: Uint8Array[] = [];
  isFinished = false;
  /** Whether the client reads. */
  #isReading = true;
  #isRefusing = false;
  #taken: (() => void)[] = [];

  readonly send = {
    write: (bytes: Uint8Array): Promise<boolean> => {
      if (this.#isRefusing) return Promise.resolve(false);
      this.written.push(bytes.slice());
      if (this.#isReading) return Promise.resolve(true);
      return new Promise((resolve) => this.#taken.push(() => resolve(true)));
    },
    finish: (): Promise<void> => {
      this.isFinished = true;
      return Promise.resolve();
    },
  };

  /** The client stops reading: the next write waits. */
  pause(): void {
    this.#isReading = false;
  }

  resume(): void {
    this.#isReading = true;
    for (const taken of this.#taken.splice(0)) taken();
  }

  /** The client wants no more (STOP_SENDING). */
  refuse(): void {
    this.#isRefusing = true;
  }
}

/** A WebTransport session, and how the server ended it. */
export class FakeStreamSession {
  closedWith: { readonly closeCode: number; readonly reason: string } | undefined;
  isTerminated = false;

  close(info: { readonly closeCode: number; readonly reason: string }): void {
    this.closedWith ??= info;
  }

  terminate(): void {
    this.isTerminated = true;
  }
}
