import { StarlingError } from "@starling/protocol/errors.ts";
import type { ByteStream, ByteStreamHandler } from "../../ports.ts";
import type { Cancellation, WorkerId } from "../broker.ts";
import { DEFAULT_LEASE_MS } from "../lease.ts";
import { ControlLink } from "./control-link.ts";
import { readHello, welcomeFrame } from "./handshake.ts";
import { DEFAULT_MAX_QUEUED_BYTES, type Link } from "./link.ts";
import { LinkCounters } from "./link-counters.ts";
import { greet, LinkStream } from "./link-stream.ts";
import type { Reader } from "./reader.ts";
import type { IpcServerOptions, WorkerView } from "./server-options.ts";
import { WorkerLink } from "./worker-link.ts";

/** The node's end of the ipc broker: gives the workers that connect their place in the node. */
export class IpcServer {
  /** What all links together have carried since the start. */
  readonly counters: Readonly<LinkCounters>;
  readonly #options: IpcServerOptions;
  readonly #linkOptions;
  readonly #counters = new LinkCounters();
  readonly #workers = new Map<WorkerId, WorkerLink>();
  readonly #controls = new Map<Link, ControlLink>();
  readonly #streams = new Set<LinkStream>();
  #lost = 0;

  constructor(options: IpcServerOptions) {
    this.#options = options;
    this.counters = this.#counters;
    const { clock, afterTurn, log, answer } = options;
    this.#linkOptions = {
      clock,
      afterTurn,
      log,
      answer,
      counters: this.#counters,
      leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
      maxQueuedBytes: options.maxQueuedBytes ?? DEFAULT_MAX_QUEUED_BYTES,
    };
  }

  /** The workers that have a place in the node. */
  get workers(): Iterable<WorkerView> {
    return this.#workers.values();
  }

  /** How often a worker had to be told that it may have missed something. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes a stream that was accepted on the node's socket. */
  readonly accept = (stream: ByteStream): ByteStreamHandler => {
    const { clock } = this.#options;
    const accepted: LinkStream = new LinkStream({
      log: this.#options.log,
      greeted: (greeting) => {
        clock.clearTimeout(timer);
        return this.#greet(greeting, stream);
      },
      faulty: (link) => this.#faulty(link),
      closed: (link) => {
        clock.clearTimeout(timer);
        this.#streams.delete(accepted);
        if (link !== undefined) this.#endControl(link);
      },
    });
    const timer = clock.setTimeout(() => accepted.end(), this.#linkOptions.leaseMs);
    this.#streams.add(accepted);
    accepted.opened(stream, undefined);
    return accepted;
  };

  /**
   * Asks one worker. Rejected with what it throws, and with `broker_unavailable` when it is gone, or
   * the question is given up.
   */
  tell(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    const asked = this.#workers.get(worker);
    if (asked === undefined) return Promise.reject(new StarlingError("broker_unavailable"));
    return asked.ask(method, argument, cancellation);
  }

  /** The worker's process is known to be dead: gives its seat up at once. */
  forget(worker: WorkerId): void {
    this.#workers.get(worker)?.leave();
  }

  /** Gives every seat up and ends every stream. */
  close(): void {
    for (const worker of [...this.#workers.values()]) worker.leave();
    for (const stream of [...this.#streams]) stream.end();
  }

  #greet(greeting: Reader, stream: ByteStream): Link | undefined {
    const hello = readHello(greeting);
    if (hello.role === "control") return this.#control(stream);
    const known = this.#workers.get(hello.worker);
    if (known !== undefined && known.id === hello.link) {
      this.#welcome(stream, known, true);
      if (known.resume(stream, hello.received)) this.#lost++;
      return known.link;
    }
    known?.leave();
    const joined = this.#join(hello.worker);
    this.#welcome(stream, joined, false);
    joined.link.attach(stream, 0, 0);
    return joined.link;
  }

  #welcome(stream: ByteStream, { id, link }: WorkerLink, isResumed: boolean): void {
    link.cut();
    const { received, base } = link;
    greet(stream, welcomeFrame({ isResumed, link: id, received, base }));
  }

  #join(worker: WorkerId): WorkerLink {
    const { node, joined, left } = this.#options;
    const link = new WorkerLink({
      ...this.#linkOptions,
      worker,
      id: this.#newId(),
      join: (member, id) => node.join(member, id),
      left: () => {
        this.#workers.delete(worker);
        left?.(worker);
      },
    });
    this.#workers.set(worker, link);
    joined?.(worker);
    return link;
  }

  #control(stream: ByteStream): Link {
    // The other end does not know the lease of workers, and gives a sign of itself by this one.
    const control = new ControlLink({ ...this.#linkOptions, leaseMs: DEFAULT_LEASE_MS });
    const { link } = control;
    this.#controls.set(link, control);
    greet(stream, welcomeFrame({ isResumed: false, link: 0, received: 0, base: 0 }));
    link.attach(stream, 0, 0);
    return link;
  }

  /** Whoever sends what no peer may send cannot be told what to send again: it begins anew. */
  #faulty(link: Link | undefined): void {
    for (const worker of [...this.#workers.values()]) if (worker.link === link) worker.leave();
  }

  #endControl(link: Link): void {
    this.#controls.get(link)?.end();
    this.#controls.delete(link);
  }

  /** Not 0, and unlike those of a node that ran before on the same socket. */
  #newId(): number {
    return this.#options.random.bytes(6).reduce((id, byte) => id * 256 + byte, 0) + 1;
  }
}
