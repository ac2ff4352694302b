import { StarlingError } from "@starling/protocol/errors.ts";
import type { AfterTurn, Clock, Log, OpenStream } from "../../ports.ts";
import { DEFAULT_LEASE_MS } from "../lease.ts";
import { helloFrame, readWelcome } from "./handshake.ts";
import { DEFAULT_MAX_QUEUED_BYTES, Link } from "./link.ts";
import { LinkCounters } from "./link-counters.ts";
import { LinkStream } from "./link-stream.ts";
import { readError } from "./messages.ts";
import { TO_NODE, TO_WORKER } from "./opcodes.ts";
import type { Reader } from "./reader.ts";
import { packValue, unpackValue } from "./values.ts";
import { WireError } from "./wire-error.ts";

export interface ControlOptions {
  readonly open: OpenStream;
  readonly clock: Clock;
  readonly afterTurn: AfterTurn;
  readonly log: Log;
  /** Milliseconds without any sign of the node after which it is given up; default 10,000. */
  readonly silentMs?: number;
  /** Gets what the node says while it makes the answer. */
  readonly progress?: (value: unknown) => void;
}

/**
 * Asks the node one question without being a worker of it. Rejected as `open` is where nobody
 * listens, with what the node threw, and with `broker_unavailable` when it goes away.
 */
export async function askNode(
  options: ControlOptions,
  method: string,
  argument: unknown,
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  // Where the stream cannot be opened, nobody comes to wait for it.
  promise.catch(() => {});
  const gone = () => reject(new StarlingError("broker_unavailable", "the node gave no answer"));
  const receive = (message: Reader) => {
    const code = message.uint();
    message.uint();
    if (code === TO_WORKER.fail) {
      reject(readError(message));
    } else if (code === TO_WORKER.progress) {
      options.progress?.(unpackValue(message.binView()));
    } else if (code === TO_WORKER.answer) {
      resolve(unpackValue(message.binView()));
    } else {
      throw new WireError(`there is no message ${code}`);
    }
  };
  const link = new Link({
    ...options,
    counters: new LinkCounters(),
    leaseMs: options.silentMs ?? DEFAULT_LEASE_MS,
    maxQueuedBytes: DEFAULT_MAX_QUEUED_BYTES,
    whenFull: "refuse",
    receive,
    silent: gone,
  });
  const reading = new LinkStream({
    log: options.log,
    greeted: (welcome, stream) => {
      readWelcome(welcome);
      link.attach(stream, 0, 0);
      return link;
    },
    faulty: gone,
    closed: gone,
  });
  try {
    const value = packValue(argument);
    const stream = await options.open(reading);
    reading.opened(stream, helloFrame({ role: "control" }));
    const writer = link.begin();
    writer.uint(TO_NODE.ask);
    writer.uint(1);
    writer.string(method);
    writer.bin(value);
    link.commit();
    return await promise;
  } finally {
    reading.end();
    link.dispose();
  }
}
