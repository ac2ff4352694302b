import { StarlingError } from "@starling/protocol/errors.ts";
import type { Position } from "../../hub/position.ts";
import type { ByteStream } from "../../ports.ts";
import type { Cancellation, PresenceEvent, WorkerId } from "../broker.ts";
import type { NodeDelivery, NodeMember, NodeSeat } from "../seat.ts";
import { Answers } from "./answers.ts";
import { Asked } from "./asked.ts";
import { readHistoryRequest, readStreams, writeHistoryPage } from "./history-codec.ts";
import { Link, type LinkOptions } from "./link.ts";
import * as messages from "./messages.ts";
import { TO_NODE, TO_WORKER } from "./opcodes.ts";
import type { Reader } from "./reader.ts";
import type { NodeQuestion, WorkerView } from "./server-options.ts";
import { packValue, unpackValue } from "./values.ts";
import { WireError } from "./wire-error.ts";

/** More than any machine can have. */
const MAX_CONNECTIONS = 100_000_000;

export interface WorkerLinkOptions
  extends Pick<
    LinkOptions,
    "clock" | "afterTurn" | "counters" | "log" | "leaseMs" | "maxQueuedBytes"
  > {
  readonly worker: WorkerId;
  /** Names the link among all that the node ever had. */
  readonly id: number;
  join(member: NodeMember<Uint8Array>, worker: WorkerId): NodeSeat<Uint8Array>;
  answer(method: string, argument: unknown, question: NodeQuestion): unknown;
  /** The seat was given up. */
  left(link: WorkerLink): void;
}

/** The node's end of a worker's link, and the worker's place in the node. */
export class WorkerLink implements NodeMember<Uint8Array>, WorkerView {
  readonly worker: WorkerId;
  readonly id: number;
  readonly link: Link;
  readonly #options: WorkerLinkOptions;
  readonly #seat: NodeSeat<Uint8Array>;
  readonly #answers: Answers;
  readonly #asked = new Asked();

  constructor(options: WorkerLinkOptions) {
    this.#options = options;
    this.worker = options.worker;
    this.id = options.id;
    this.#seat = options.join(this, options.worker);
    this.link = new Link({
      ...options,
      whenFull: "drop",
      receive: (message) => this.#receive(message),
      silent: () => this.leave(),
      // What was asked of the worker, or its answer, may be among it.
      dropped: () => this.#asked.failAll(new StarlingError("broker_unavailable")),
    });
    this.#answers = new Answers({
      link: this.link,
      log: options.log,
      codes: TO_WORKER,
      maxBytes: options.maxQueuedBytes / 2,
      // A link that is full drops what waits, and refuses nothing.
      refused: () => {},
    });
    this.#tellChannels();
  }

  get bytesWaiting(): number {
    return this.link.bytesWaiting;
  }

  /** Goes on over another stream; answers whether the worker has lost something meanwhile. */
  resume(stream: ByteStream, received: number): boolean {
    const hasLost = received < this.link.base;
    this.link.attach(stream, received, 0);
    if (hasLost) this.#tellChannels();
    return hasLost;
  }

  /** Gives the seat up for good. */
  leave(): void {
    if (this.link.isDisposed) return;
    this.link.dispose();
    this.#answers.cancelAll();
    this.#asked.failAll(new StarlingError("broker_unavailable"));
    this.#seat.leave();
    this.#options.left(this);
  }

  deliver(
    app: string,
    channels: readonly string[],
    publication: Uint8Array,
    taken: ((hasTaken: boolean) => void) | undefined,
  ): void {
    const writer = this.link.begin();
    writer.uint(TO_WORKER.deliver);
    writer.string(app);
    writer.strings(channels);
    writer.bin(publication);
    this.link.commit();
    if (taken !== undefined) this.link.whenConfirmed(taken);
  }

  deliverKept(
    app: string,
    channel: string,
    publication: Uint8Array,
    { epoch, offset }: Position,
    taken: ((hasTaken: boolean) => void) | undefined,
  ): void {
    const writer = this.link.begin();
    writer.uint(TO_WORKER.deliverKept);
    writer.string(app);
    writer.string(channel);
    writer.string(epoch);
    writer.uint(offset);
    writer.bin(publication);
    this.link.commit();
    if (taken !== undefined) this.link.whenConfirmed(taken);
  }

  presence(app: string, channel: string, event: PresenceEvent): void {
    const writer = this.link.begin();
    writer.uint(TO_WORKER.presence);
    writer.string(app);
    writer.string(channel);
    messages.writeEvent(writer, event);
    this.link.commit();
  }

  channelsChanged(app: string, opened: readonly string[], closed: readonly string[]): void {
    const writer = this.link.begin();
    writer.uint(TO_WORKER.channelsChanged);
    writer.string(app);
    writer.strings(opened);
    writer.strings(closed);
    this.link.commit();
  }

  ask(method: string, argument: unknown, cancellation?: Cancellation): Promise<unknown> {
    const value = packValue(argument);
    const send = (id: number) => {
      const writer = this.link.begin();
      writer.uint(TO_WORKER.question);
      writer.uint(id);
      writer.string(method);
      writer.bin(value);
      return this.link.commit();
    };
    return this.#asked.ask(send, (id) => this.#cancelQuestion(id), cancellation);
  }

  #cancelQuestion(id: number): void {
    const writer = this.link.begin();
    writer.uint(TO_WORKER.cancelQuestion);
    writer.uint(id);
    this.link.commit();
  }

  /** All channels of the apps that limit them; later changes follow by themselves. */
  #tellChannels(): void {
    for (const [app, channels] of this.#seat.limitedChannels()) {
      const writer = this.link.begin();
      writer.uint(TO_WORKER.channelsAre);
      writer.string(app);
      writer.strings(channels);
      this.link.commit();
    }
  }

  #receive(message: Reader): void {
    const code = message.uint();
    switch (code) {
      case TO_NODE.publish:
        this.#publish(message);
        return;
      case TO_NODE.publishUnanswered:
        this.#seat.publishUnanswered(readDelivery(message));
        return;
      case TO_NODE.interest:
        this.#seat.interest(message.string(), message.string(), message.uint());
        return;
      case TO_NODE.present:
        this.#seat.present(message.string(), message.string(), messages.readEvent(message));
        return;
      case TO_NODE.unwatch:
        this.#seat.unwatch(message.string(), message.string());
        return;
      case TO_NODE.release:
        this.#seat.release(messages.readKeys(message));
        return;
      case TO_NODE.connectionsOpened:
        this.#open(message.string(), message.uint());
        return;
      case TO_NODE.connectionClosed:
        this.#seat.connectionClosed(message.string());
        return;
      case TO_NODE.connected: {
        const { app, connection, user } = messages.readConnection(message);
        this.#seat.connected(app, connection, user);
        return;
      }
      case TO_NODE.disconnected:
        this.#seat.disconnected(message.string(), message.string());
        return;
      case TO_NODE.answer:
        this.#asked.answered(message.uint(), readValue(message));
        return;
      case TO_NODE.fail:
        this.#asked.failed(message.uint(), messages.readError(message));
        return;
      case TO_NODE.cancel:
        this.#answers.cancel(message.uint());
        return;
      case TO_NODE.leave:
        // An answer that came before it is still on its way to whoever asked, promise by promise.
        this.#options.afterTurn(() => this.leave());
        return;
      default:
        this.#answer(code, message.uint(), message);
    }
  }

  /** Answers a question; what it says is read before anything is done. */
  #answer(code: number, id: number, message: Reader): void {
    const seat = this.#seat;
    switch (code) {
      case TO_NODE.take: {
        const [rate, key] = [messages.readRate(message), message.string()];
        this.#answers.give(id, () => seat.take(rate, key), writeUint);
        return;
      }
      case TO_NODE.admit: {
        const [app, user] = [message.string(), message.optionalString()];
        this.#answers.give(id, () => seat.admit(app, user), writeNothing);
        return;
      }
      case TO_NODE.reserve: {
        const keys = messages.readKeys(message);
        this.#answers.give(id, () => seat.reserve(keys), messages.writeKnown);
        return;
      }
      case TO_NODE.history: {
        const [app, channel] = [message.string(), message.string()];
        const request = readHistoryRequest(message);
        this.#answers.give(id, () => seat.history(app, channel, request), writeHistoryPage);
        return;
      }
      case TO_NODE.channels: {
        const [app, page] = [message.string(), messages.readPageRequest(message)];
        this.#answers.give(id, () => seat.channels(app, page), messages.writePage);
        return;
      }
      case TO_NODE.disconnect: {
        const [app, target] = [message.string(), messages.readTarget(message)];
        this.#answers.give(id, () => seat.disconnect(app, target), messages.writeDisconnection);
        return;
      }
      case TO_NODE.ban: {
        const [app, user] = [message.string(), message.string()];
        const until = message.uint();
        this.#answers.give(id, () => seat.ban(app, user, until), writeNothing);
        return;
      }
      case TO_NODE.bans: {
        const after = message.string();
        this.#answers.give(id, () => seat.bans(after), messages.writeBans);
        return;
      }
      case TO_NODE.watch:
      case TO_NODE.members: {
        const [app, channel] = [message.string(), message.string()];
        const find = () =>
          code === TO_NODE.watch ? seat.watch(app, channel) : seat.members(app, channel);
        this.#answers.give(id, find, messages.writeMembers);
        return;
      }
      case TO_NODE.presenceStats: {
        const [app, channel] = [message.string(), message.string()];
        this.#answers.give(id, () => seat.presenceStats(app, channel), messages.writeStats);
        return;
      }
      default:
        this.#answerValue(code, id, message);
    }
  }

  /** Answers what other workers or the node itself have to say something about. */
  #answerValue(code: number, id: number, message: Reader): void {
    if (code !== TO_NODE.call && code !== TO_NODE.gather && code !== TO_NODE.ask) {
      throw new WireError(`there is no message ${code}`);
    }
    const worker = code === TO_NODE.call ? message.uint() : this.worker;
    const method = message.string();
    const argument = readValue(message);
    this.#answers.giveValue(id, (cancellation) => {
      switch (code) {
        case TO_NODE.call:
          return this.#seat.call(worker, method, argument, cancellation);
        case TO_NODE.gather:
          return this.#seat.gather(method, argument);
        default:
          return this.#options.answer(method, argument, {
            worker,
            cancellation,
            progress: () => {},
          });
      }
    });
  }

  #publish(message: Reader): void {
    const id = message.uint();
    const delivery = readDelivery(message);
    this.#answers.give(id, () => this.#seat.publish(delivery), messages.writePublished);
  }

  #open(app: string, connections: number): void {
    if (connections > MAX_CONNECTIONS) throw new WireError("no worker has that many connections");
    for (let left = connections; left > 0; left--) this.#seat.connectionOpened(app);
  }
}

function readDelivery(message: Reader): NodeDelivery<Uint8Array> {
  const app = message.name();
  const channels = message.names();
  const streams = readStreams(message);
  const reached = message.uint();
  const key = messages.readOptionalKey(message);
  // The bytes are the stream's; the node hands them on before anything else is read.
  return { app, channels, streams, reached, key, publication: message.binView() };
}

function readValue(message: Reader): unknown {
  return unpackValue(message.binView());
}

const writeUint = (writer: { uint(value: number): void }, value: number) => writer.uint(value);
const writeNothing = () => {};
