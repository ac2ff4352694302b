import { join } from "node:path";
import type { WorkerId } from "@starling/core/broker/broker.ts";
import type { Clock, Log, Random } from "@starling/core/ports.ts";
import { tlsMaterial } from "../certificates/material.ts";
import type { Config } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import type { WorkerStatus } from "../node/status.ts";
import type { WorkerTiming } from "../node/worker.ts";
import type { Listening } from "../node/worker-process.ts";
import { quicCommand } from "./quic-command.ts";
import { type QuicConfig, quicConfig } from "./quic-config.ts";
import { QuicSlot } from "./quic-slot.ts";
import { spawnQuicWorkers } from "./spawn-quic.ts";
import { workerProgram } from "./worker-program.ts";

export interface QuicServiceOptions {
  readonly config: Config;
  readonly version: string;
  readonly environment: Environment;
  /** Path of the node's socket. */
  readonly socket: string;
  readonly timing: WorkerTiming;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** An id that no worker of the node ever had. */
  nextId(): WorkerId;
  /** A worker is no more. */
  gone(worker: WorkerId): void;
}

/** WebTransport of a node: a worker of its own, where the configuration wants one. */
export class QuicService {
  readonly #options: QuicServiceOptions;
  readonly #slot: QuicSlot;
  /** As of the start, or of the last restart. */
  #config: Config;
  #prepared: QuicConfig | undefined;
  #program: readonly string[] = [];
  #listening: Listening | undefined;

  constructor(options: QuicServiceOptions) {
    const { config, log, socket, environment } = options;
    this.#options = options;
    this.#config = config;
    this.#slot = new QuicSlot({
      ...options,
      spawn: spawnQuicWorkers({
        log,
        configFor: ({ worker, listening }) => {
          if (this.#prepared === undefined || listening === undefined) {
            throw new Error("no worker is wanted yet");
          }
          return { ...this.#prepared, worker, socket, port: listening.subscriberPort };
        },
        commandFor: (prepared) =>
          quicCommand(prepared, {
            environment,
            cacheDir: join(config.stateDir, "deno"),
            denoPath: this.#config.denoPath,
            program: this.#program,
          }),
      }),
    });
  }

  has(worker: WorkerId): boolean {
    return this.#slot.has(worker);
  }

  get isServing(): boolean {
    return this.#slot.isServing;
  }

  /** Starts it beside the listener of subscribers; resolves when it serves, or will not. */
  async start(listening: Listening): Promise<void> {
    this.#listening = listening;
    if (this.#config.webTransport && (await this.#prepare())) await this.#slot.start(listening);
  }

  /** The same with another configuration: a worker that there is leaves first. */
  async replace(config: Config): Promise<void> {
    if (this.#listening === undefined) return;
    this.#config = config;
    if (config.webTransport && (await this.#prepare())) await this.#slot.replace(this.#listening);
    else await this.#slot.stop();
  }

  stop(): Promise<void> {
    return this.#slot.stop();
  }

  /** Ends the process at once. */
  kill(): void {
    this.#slot.kill();
  }

  status(): readonly WorkerStatus[] {
    return this.#config.webTransport ? this.#slot.status() : [];
  }

  async #prepare(): Promise<boolean> {
    const { clock, version } = this.#options;
    try {
      const tls = await tlsMaterial(this.#config, clock, "later");
      this.#prepared = await quicConfig(this.#config, tls, version);
      this.#program = await workerProgram(join(this.#config.stateDir, "quic-worker.mjs"));
      return true;
    } catch (error) {
      this.#slot.giveUp(error instanceof Error ? error.message : String(error));
      return false;
    }
  }
}
