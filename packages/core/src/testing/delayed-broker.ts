import { StarlingError } from "@starling/protocol/errors.ts";
import { Packr } from "msgpackr";
import type { Answer } from "../answer.ts";
import type {
  BrokerHandler,
  Cancellation,
  Delivery,
  PresenceEvent,
  Published,
  RateName,
  WorkerId,
} from "../broker/broker.ts";
import { CancellationSource } from "../broker/cancellation.ts";
import { readPublications, writePublication } from "../broker/ipc/publication-codec.ts";
import { Reader } from "../broker/ipc/reader.ts";
import { Writer } from "../broker/ipc/writer.ts";
import { LocalBroker } from "../broker/local.ts";
import type { Node } from "../broker/node.ts";
import type { HistoryPage, HistoryRequest } from "../broker/stream.ts";
import type { Member } from "../hub/member.ts";
import type { Publication } from "../hub/publication.ts";

const packr = new Packr({ useRecords: false, copyBuffers: true });

const writer = new Writer();

/** What is on its way in one direction, in order; a test says when the next of it arrives. */
export class DelayedLink {
  readonly #messages: (() => void)[] = [];

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  send(message: () => void): void {
    this.#messages.push(message);
  }

  /** The message that was sent last is lost. */
  loseLast(): void {
    this.#messages.pop();
  }

  /** Lets one message arrive. */
  step(): void {
    this.#messages.shift()?.();
  }
}

/**
 * A worker's broker behind two links, as if the node were another process: everything it says, and
 * everything that it is told, arrives in order, but only when the test lets it.
 */
export class DelayedBroker extends LocalBroker {
  /** From other nodes to this worker, beside its own node and in no step with it. */
  readonly outside = new DelayedLink();
  override isOrdered = true;
  /** Whether this worker cannot know what other nodes have published. */
  isCutOff = false;
  /** From the worker to the node. */
  readonly up: DelayedLink;
  /** From the node to the worker. */
  readonly down: DelayedLink;

  static join(node: Node<Publication>, worker: WorkerId, handler: BrokerHandler): DelayedBroker {
    return new DelayedBroker(node, worker, handler, new DelayedLink(), new DelayedLink());
  }

  /** By channel: undefined once the node has taken note. */
  readonly #interests = new Map<string, Promise<void> | undefined>();

  readonly #handler: BrokerHandler;

  private constructor(
    node: Node<Publication>,
    worker: WorkerId,
    handler: BrokerHandler,
    up: DelayedLink,
    down: DelayedLink,
  ) {
    // One delivery is one message, in however many channels.
    let last: { readonly id: number | undefined; readonly all: Publication[] } | undefined;
    super(node, worker, {
      delivered(publication) {
        const said = carried(publication);
        const { id } = publication;
        if (last !== undefined && id !== undefined && last.id === id) {
          last.all.push(said);
          return;
        }
        const message = { id, all: [said] };
        last = message;
        down.send(() => {
          if (last === message) last = undefined;
          for (const each of message.all) handler.delivered(each);
        });
      },
      presence: (app, channel, event) => down.send(() => handler.presence(app, channel, event)),
      missed: () => down.send(() => handler.missed()),
      answer: (method, argument, cancellation) => {
        const cancelled = delayed(cancellation, down);
        const said = copyOf(argument);
        return through(down, up, async () => copyOf(await handler.answer(method, said, cancelled)));
      },
    });
    this.#handler = handler;
    this.up = up;
    this.down = down;
  }

  /** Another node publishes. */
  hear(publication: Publication): void {
    const said = { ...publication };
    this.outside.send(() => this.#handler.delivered(said));
  }

  override caughtUp(): never {
    return new Promise<void>((resolve, reject) => {
      this.outside.send(() =>
        this.isCutOff ? reject(new StarlingError("broker_unavailable")) : resolve(),
      );
    }) as never;
  }

  // The base class promises more than the port does: here every answer has to be waited for.

  override interest(app: string, channel: string, subscribers: number): never {
    const name = JSON.stringify([app, channel]);
    const tell = () => super.interest(app, channel, subscribers);
    if (subscribers > 0 && !this.#interests.has(name)) {
      const noted: Promise<void> = through(this.up, this.down, tell).then(() => {
        if (this.#interests.get(name) === noted) this.#interests.set(name, undefined);
      });
      this.#interests.set(name, noted);
      return noted as never;
    }
    if (subscribers === 0) this.#interests.delete(name);
    this.up.send(tell);
    return this.#interests.get(name) as never;
  }

  override publish(delivery: Delivery): Answer<Published> {
    const said = sent(delivery);
    return through(this.up, this.down, () => super.publish(said));
  }

  override publishUnanswered(delivery: Delivery): void {
    const said = sent(delivery);
    this.up.send(() => super.publishUnanswered(said));
  }

  /** Nothing that was published after the answer was made overtakes it. */
  override history(app: string, channel: string, request: HistoryRequest): never {
    return new Promise<HistoryPage<Publication>>((resolve) => {
      this.up.send(() => {
        const page = super.history(app, channel, request);
        const entries = page.entries.map((each) => ({ ...each, content: carried(each.content) }));
        this.down.send(() => resolve({ ...page, entries }));
      });
    }) as never;
  }

  override take(rate: RateName, key: string): never {
    return through(this.up, this.down, () => super.take(rate, key)) as never;
  }

  override admit(app: string, user?: string): never {
    return through(this.up, this.down, () => super.admit(app, user)) as never;
  }

  override connected(app: string, connection: string, user: string | undefined): void {
    this.up.send(() => super.connected(app, connection, user));
  }

  override disconnected(app: string, connection: string): void {
    this.up.send(() => super.disconnected(app, connection));
  }

  override present(app: string, channel: string, event: PresenceEvent): void {
    // Members change before what was said of them is heard.
    const said = event.type === "join" ? { ...event, member: { ...event.member } } : event;
    this.up.send(() => super.present(app, channel, said));
  }

  /** What comes of a member after the answer was made must not overtake it. */
  override watch(app: string, channel: string): never {
    return new Promise<readonly Member[]>((resolve) => {
      this.up.send(() => {
        const members = super.watch(app, channel);
        this.down.send(() => resolve(members));
      });
    }) as never;
  }

  override unwatch(app: string, channel: string): void {
    this.up.send(() => super.unwatch(app, channel));
  }

  override gather(method: string, argument: unknown): Promise<readonly unknown[]> {
    return through(this.up, this.down, () => super.gather(method, argument));
  }

  override call(
    worker: WorkerId,
    method: string,
    argument: unknown,
    cancellation?: Cancellation,
  ): Promise<unknown> {
    const cancelled = cancellation === undefined ? undefined : delayed(cancellation, this.up);
    return through(this.up, this.down, () => super.call(worker, method, argument, cancelled));
  }
}

/** Asks at the far end of one link; the answer comes back over the other. */
function through<T>(there: DelayedLink, back: DelayedLink, ask: () => Answer<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = async () => ask();
    there.send(() => {
      asked().then(
        (answer) => back.send(() => resolve(answer)),
        (error) => back.send(() => reject(error)),
      );
    });
  });
}

function delayed(cancellation: Cancellation, link: DelayedLink): Cancellation {
  const source = new CancellationSource();
  cancellation.onCancel(() => link.send(() => source.cancel()));
  return source;
}

/** What the node has of a delivery. */
function sent(delivery: Delivery): Delivery {
  return { ...delivery, publication: carried(delivery.publication) };
}

/** The publication at the far end of a link, where it is another object. */
function carried(publication: Publication): Publication {
  const { app, channel, position } = publication;
  writer.at = 0;
  writer.base = 0;
  writePublication(writer, publication);
  const bytes = writer.cut();
  const [read] = readPublications(new Reader().reset(bytes, 0, bytes.length), app, [channel]);
  if (read === undefined) throw new Error("a publication is in no channel");
  read.position = position;
  return read;
}

/** Nothing but what MessagePack can say gets from one process to another. */
function copyOf(value: unknown): unknown {
  return packr.unpack(packr.pack(value));
}
