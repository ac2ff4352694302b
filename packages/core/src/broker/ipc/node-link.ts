import { StarlingError } from "@starling/protocol/errors.ts";
import type { ByteStream } from "../../ports.ts";
import type { Cancellation } from "../broker.ts";
import { DEFAULT_LEASE_MS } from "../lease.ts";
import { Answers } from "./answers.ts";
import type { ChannelMirror } from "./channel-mirror.ts";
import type { IpcBrokerOptions } from "./client-options.ts";
import { Connector } from "./connector.ts";
import type { Hello, Welcome } from "./handshake.ts";
import { DEFAULT_MAX_QUEUED_BYTES, Link } from "./link.ts";
import { LinkCounters } from "./link-counters.ts";
import * as messages from "./messages.ts";
import { TO_NODE, TO_WORKER } from "./opcodes.ts";
import { readPublications } from "./publication-codec.ts";
import type { Reader } from "./reader.ts";
import { type Patience, Requests } from "./requests.ts";
import { tellAnew } from "./tell-anew.ts";
import type { Told } from "./told.ts";
import { unpackValue } from "./values.ts";
import { WireError } from "./wire-error.ts";
import type { Writer } from "./writer.ts";

/** Milliseconds for which a worker that ends waits for its last words to arrive. */
const CLOSE_MS = 1_000;

class NodeLinkCounters extends LinkCounters {
  /** Times that a stream was opened, and that what was missed could not be had any more. */
  connects = 0;
  missed = 0;
}

/** A link together with what belongs to it alone. */
interface Joined {
  readonly link: Link;
  readonly answers: Answers;
  /** As the node has named it. */
  readonly id: number;
}

/**
 * A worker's end of its link to the node. While the node is given up there is no link, and nothing
 * is sent: the node that comes back is told everything.
 */
export class NodeLink {
  readonly requests: Requests;
  readonly counters = new NodeLinkCounters();
  readonly #options: IpcBrokerOptions;
  readonly #told: Told;
  readonly #mirror: ChannelMirror;
  readonly #leaseMs: number;
  readonly #maxQueuedBytes: number;
  readonly #connector: Connector;
  #joined: Joined | undefined;
  #hasJoined: ((isJoined: boolean) => void) | undefined;
  #hasLeft: (() => void) | undefined;
  /** Called back when the node has noted the interest that it is yet to be told. */
  readonly #untold: (() => void)[] = [];

  constructor(options: IpcBrokerOptions, told: Told, mirror: ChannelMirror) {
    this.#options = options;
    this.#told = told;
    this.#mirror = mirror;
    this.#leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? DEFAULT_MAX_QUEUED_BYTES;
    this.requests = new Requests(options.clock);
    this.#connector = new Connector({
      ...options,
      patienceMs: this.#leaseMs,
      hello: () => this.#hello(),
      welcomed: (welcome, stream) => this.#welcomed(welcome, stream),
      faulty: () => this.#giveUp(),
      lost: () => this.#lost(),
    });
  }

  get isConnected(): boolean {
    return this.#joined?.link.isAttached ?? false;
  }

  /** Connects; rejected where that takes longer than the lease. */
  async join(): Promise<void> {
    const { clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#hasJoined = resolve;
    const timer = clock.setTimeout(() => resolve(false), this.#leaseMs);
    this.#connector.start();
    const isJoined = await promise;
    clock.clearTimeout(timer);
    if (isJoined) return;
    this.#connector.end();
    throw new StarlingError("broker_unavailable", "the node does not answer");
  }

  /** Ends the link once everything has arrived, or after a second. */
  async close(): Promise<void> {
    const { clock } = this.#options;
    if (this.isConnected) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#hasLeft = resolve;
      this.tell(TO_NODE.leave, () => {});
      const timer = clock.setTimeout(resolve, CLOSE_MS);
      await promise;
      clock.clearTimeout(timer);
    }
    this.#connector.end();
    this.#forgetLink();
    this.requests.dispose();
  }

  /** Sees to it that what has changed is told by the end of the turn. */
  schedule(): void {
    this.#joined?.link.schedule();
  }

  /** Settles once the node has taken note of every interest so far, or is given up. */
  noted(): Promise<void> | undefined {
    if (!this.isConnected) return undefined;
    return new Promise((resolve) => this.#untold.push(resolve));
  }

  /** Begins a message, after the interest that was told before it; undefined where there is no node. */
  begin(): Writer | undefined {
    const link = this.#joined?.link;
    if (link === undefined) {
      this.counters.refused++;
      return undefined;
    }
    if (this.#told.hasChangedInterests) this.#tellInterests(2);
    // Telling may have shown that too much waits.
    return this.#joined?.link.begin();
  }

  /** Sends the message that was begun, unless too much waits. */
  commit(): boolean {
    return this.#joined?.link.commit() ?? false;
  }

  /**
   * Tells the node what it has to know of this worker. Where even that finds no room, the node is
   * given up, since it would have a wrong picture for good.
   */
  tell(code: number, write: (writer: Writer) => void, share = 2): void {
    // A node that is not there is told everything when it is.
    if (this.#joined === undefined) return;
    const writer = this.begin();
    if (writer === undefined) return;
    writer.uint(code);
    write(writer);
    if (this.#joined?.link.commit(share) === false) this.#giveUp();
  }

  /** Asks the node; rejected with what it throws, and with `broker_unavailable`. */
  request<T>(
    patience: Patience,
    code: number,
    write: (writer: Writer) => void,
    read: (reader: Reader) => T,
    cancellation?: Cancellation,
  ): Promise<T> {
    const writer = cancellation?.isCancelled === true ? undefined : this.begin();
    if (writer === undefined) return unavailable();
    const id = this.requests.nextId(patience);
    writer.uint(code);
    writer.uint(id);
    write(writer);
    if (!this.commit()) return unavailable();
    cancellation?.onCancel(() => this.#cancel(id));
    return this.requests.wait(id, read);
  }

  #cancel(id: number): void {
    const error = new StarlingError("broker_unavailable", "the question was given up");
    if (!this.requests.failed(id, error)) return;
    this.tell(TO_NODE.cancel, (writer) => writer.uint(id));
  }

  #hello(): Hello {
    const { id = 0, link } = this.#joined ?? {};
    const { worker } = this.#options;
    return { role: "worker", worker, link: id, received: link?.received ?? 0 };
  }

  #welcomed(welcome: Welcome, stream: ByteStream): Link {
    this.counters.connects++;
    const joined = this.#joined;
    if (!welcome.isResumed) return this.#joinAnew(welcome, stream);
    if (joined === undefined || joined.id !== welcome.link) {
      throw new WireError("the node goes on with a link that there is no more");
    }
    const { link } = joined;
    const hasLost = welcome.base > link.received;
    link.attach(stream, welcome.received, welcome.base);
    this.#options.linkChanged?.(true);
    if (hasLost) this.#miss();
    return link;
  }

  #joinAnew(welcome: Welcome, stream: ByteStream): Link {
    const isFirst = this.#hasJoined !== undefined;
    this.#forgetLink();
    const { link } = this.#newLink(welcome.link);
    link.attach(stream, 0, 0);
    this.#tellAll();
    this.#options.linkChanged?.(true);
    this.#hasJoined?.(true);
    this.#hasJoined = undefined;
    if (!isFirst) this.#miss();
    return link;
  }

  #newLink(id: number): Joined {
    const { clock, afterTurn, log } = this.#options;
    const told = this.#told;
    const link = new Link({
      clock,
      afterTurn,
      log,
      counters: this.counters,
      leaseMs: this.#leaseMs,
      maxQueuedBytes: this.#maxQueuedBytes,
      whenFull: "refuse",
      receive: (message) => this.#receive(message),
      fill: () => {
        if (told.hasChangedInterests) this.#tellInterests(2);
      },
      silent: () => this.#giveUp(),
    });
    const codes = { answer: TO_NODE.answer, fail: TO_NODE.fail };
    const answers = new Answers({
      link,
      log,
      codes,
      maxBytes: this.#maxQueuedBytes / 2,
      refused: () => this.#giveUp(),
    });
    this.#joined = { link, answers, id };
    return this.#joined;
  }

  /** Whatever the room for it: the node would have a wrong picture for good. */
  #tellAll(): void {
    const told = this.#told;
    const share = Number.POSITIVE_INFINITY;
    told.changeAllInterests();
    this.#tellInterests(share);
    // Nobody waits for the answers: who watches asks again, since something was missed.
    const nextId = () => this.requests.nextId("usual");
    tellAnew(told, nextId, (code, write) => this.tell(code, write, share));
  }

  #tellInterests(share: number): void {
    this.#told.takeChangedInterests((app, channel, subscribers) => {
      this.tell(
        TO_NODE.interest,
        (writer) => {
          writer.string(app);
          writer.string(channel);
          writer.uint(subscribers);
        },
        share,
      );
    });
    const link = this.#joined?.link;
    for (const noted of this.#untold.splice(0)) {
      if (link === undefined) noted();
      else link.whenConfirmed(noted);
    }
  }

  /** The stream is no more. */
  #lost(): void {
    this.#hasLeft?.();
    this.requests.failBrief();
    this.#options.linkChanged?.(false);
  }

  /** Nothing of the node is to be waited for any more; the next one is told everything. */
  #giveUp(): void {
    if (this.#joined === undefined) return;
    this.#options.log.warn({}, "the node is given up; what it had for this worker is lost");
    this.#forgetLink();
  }

  #forgetLink(): void {
    const joined = this.#joined;
    this.#joined = undefined;
    joined?.answers.cancelAll();
    joined?.link.dispose();
    this.requests.failAll();
    for (const noted of this.#untold.splice(0)) noted();
  }

  #miss(): void {
    this.counters.missed++;
    this.requests.failAll();
    const { handler, log } = this.#options;
    try {
      handler.missed();
    } catch (error) {
      log.error({ err: error }, "a loss was not dealt with");
    }
  }

  #receive(message: Reader): void {
    const { handler } = this.#options;
    const code = message.uint();
    switch (code) {
      case TO_WORKER.deliver:
        this.#deliver(message);
        return;
      case TO_WORKER.deliverKept:
        this.#deliverKept(message);
        return;
      case TO_WORKER.presence:
        handler.presence(message.string(), message.string(), messages.readEvent(message));
        return;
      case TO_WORKER.channelsChanged:
        this.#mirror.changed(message.string(), message.strings(), message.strings());
        return;
      case TO_WORKER.channelsAre:
        this.#mirror.are(message.string(), message.strings());
        return;
      case TO_WORKER.answer:
        this.requests.answered(message.uint(), message);
        return;
      case TO_WORKER.fail:
        this.requests.failed(message.uint(), messages.readError(message));
        return;
      case TO_WORKER.question:
        this.#answer(message);
        return;
      case TO_WORKER.cancelQuestion:
        this.#joined?.answers.cancel(message.uint());
        return;
      default:
        throw new WireError(`there is no message ${code}`);
    }
  }

  #deliver(message: Reader): void {
    const app = message.name();
    const channels = message.names();
    const outer = message.enter();
    const publications = readPublications(message, app, channels);
    message.leave(outer);
    for (const publication of publications) this.#options.handler.delivered(publication);
  }

  #deliverKept(message: Reader): void {
    const [app, channel] = [message.name(), message.name()];
    const position = { epoch: message.name(), offset: message.uint() };
    const outer = message.enter();
    const publications = readPublications(message, app, [channel]);
    message.leave(outer);
    for (const publication of publications) {
      publication.position = position;
      this.#options.handler.delivered(publication);
    }
  }

  #answer(message: Reader): void {
    const id = message.uint();
    const method = message.string();
    const argument = unpackValue(message.binView());
    this.#joined?.answers.giveValue(id, (cancellation) =>
      this.#options.handler.answer(method, argument, cancellation),
    );
  }
}

function unavailable(): Promise<never> {
  return Promise.reject(new StarlingError("broker_unavailable"));
}
