import { StarlingError } from "@starling/protocol/errors.ts";
import { encodeSignal } from "@starling/protocol/signalling/codec.ts";
import type { ServerSignal, SignalVersion } from "@starling/protocol/signalling/messages.ts";
import type { Counters } from "../../hub/counters.ts";
import type { Begun } from "../../hub/recovery.ts";
import { endsConnection } from "../../limits/connection-limits.ts";
import type { Log } from "../../ports.ts";
import type { SignallingLink } from "./link.ts";

export interface RepliesOptions {
  readonly counters: Counters;
  readonly log: Log;
  readonly slowConsumerBytes: number;
}

/** What one client is told of its own requests. */
export class Replies {
  readonly #connection: string;
  readonly #version: SignalVersion;
  readonly #link: SignallingLink;
  readonly #options: RepliesOptions;

  constructor(
    connection: string,
    version: SignalVersion,
    link: SignallingLink,
    options: RepliesOptions,
  ) {
    this.#connection = connection;
    this.#version = version;
    this.#link = link;
    this.#options = options;
  }

  acknowledge(id: number | undefined, c?: string): void {
    if (id === undefined) return;
    const ack = { t: "control", op: "ack", id } as const;
    this.send(c === undefined ? ack : { ...ack, c });
  }

  /** Says how a subscription has begun. */
  acknowledgeBegun(id: number | undefined, { channel: c, position, recovered }: Begun): void {
    if (id === undefined) return;
    this.send({
      ...({ t: "control", op: "ack", id, c } as const),
      ...(position === undefined ? {} : { ep: position.epoch, off: position.offset }),
      ...(recovered === undefined ? {} : { rec: recovered }),
    });
  }

  /** Version 1 has no way to tell: what is refused is dropped, counted and logged. */
  refuse(error: unknown, id: number | undefined, c?: string): void {
    const { counters, log } = this.#options;
    const known = error instanceof StarlingError ? error : new StarlingError("internal");
    const { message: msg, code, errorName } = known;
    counters.droppedSignals++;
    if (known === error) {
      log.debug({ connection: this.#connection, code, reason: msg }, "dropped a signal");
    } else {
      log.error({ connection: this.#connection, error }, "a signal could not be handled");
    }
    const signal = { t: "control", op: "error", code, msg } as const;
    this.send({ ...signal, ...idOf(id), ...(c === undefined ? {} : { c }) });
    if (!endsConnection(errorName)) return;
    counters.limitsExceeded++;
    this.#link.close("limit_exceeded");
  }

  pong(id: number | undefined, ts: number): void {
    this.send({ t: "control", op: "pong", ts, ...idOf(id) });
  }

  /** Sends what only clients of version 2 understand. */
  send(signal: ServerSignal): void {
    if (this.#version === 2) this.write(encodeSignal(signal));
  }

  write(frame: Uint8Array): void {
    const { socket } = this.#link;
    if (this.#link.send(frame)) return;
    if ((socket?.getBufferedAmount() ?? 0) > this.#options.slowConsumerBytes) this.cutSlow();
  }

  /** Ends the connection of a client that does not read fast enough. */
  cutSlow(): void {
    this.#options.counters.slowConsumers++;
    this.#link.closeWhenRead("slow_consumer");
  }
}

function idOf(id: number | undefined): { id?: number } {
  return id === undefined ? {} : { id };
}
