import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { createInbox, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { StarlingError } from "@starling/protocol/errors.ts";
import type { Clock } from "../../ports.ts";
import type { MeshStream } from "./mesh-stream.ts";
import type { Pace } from "./pace.ts";

/** One message of a stream. */
export interface StoredMessage {
  readonly offset: number;
  /** When it was kept, ms since the epoch. */
  readonly time: number;
  readonly message: Msg;
  /** How many of the channel followed when it was read. */
  readonly left: number;
}

/** Messages of one channel behind an offset. */
export interface StoredPart {
  readonly messages: readonly StoredMessage[];
  /** How many follow. */
  readonly left: number;
}

/** Milliseconds until the next message of those that were asked for. */
const TIMEOUT_MS = 3_000;
/** Milliseconds after which no more are asked for: what there is by then goes on. */
const SHORT_MS = 500;
/** Milliseconds after which a reader is made elsewhere, too. */
const ELSEWHERE_MS = 500;
/** What a reader says that has nothing, and one that has no more than it has given, or counted wrongly. */
const [NOTHING, NO_MORE] = [404, 408];
/** Milliseconds without a message after which it is looked whether the rest was dropped: then none ever comes. */
const LOOK_MS = 300;
/** How often a reader may give nothing though there is something. */
const MAX_IDLE = 3;
/** Nanoseconds after which a server forgets a reader that was not done away with. */
const FORGOTTEN_NANOS = 5_000_000_000;
const NANOS = 1_000_000;

export interface ReadOptions {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  readonly stream: MeshStream;
  readonly subject: string;
  readonly pace: Pace;
  /** Given what has come as it comes, also what then is too much. */
  readonly took?: ((messages: readonly StoredMessage[]) => void) | undefined;
}

export interface Range {
  readonly start: number;
  readonly limit: number;
  readonly maxBytes: number;
  /** What lies behind it is not waited for: a channel in which much is published would have no end. */
  readonly upTo: number;
}

/**
 * Reads a channel from `start` on: at most so many messages, and so many bytes but at least one; fewer where it takes long.
 * Rejected with `broker_unavailable` where the server that was read from does not have yet what others have
 * acknowledged.
 */
export async function readStored(options: ReadOptions, range: Range): Promise<StoredPart> {
  const { stream, subject } = options;
  if (stream.replicas === 1) return readPart(options, range);
  const newest = await stream.newestOf(subject);
  const part = await readPart(options, range);
  const last = part.messages.at(-1)?.offset ?? range.start - 1;
  if (part.left === 0 && last < newest) {
    throw new StarlingError("broker_unavailable", "a server of NATS lags behind");
  }
  return part;
}

async function readPart(
  { connection, clock, stream, subject, pace, took }: ReadOptions,
  { start, limit, maxBytes, upTo }: Range,
): Promise<StoredPart> {
  const shortAt = clock.now() + SHORT_MS;
  const manager = await stream.manager();
  const consumer = await makeReader(manager, clock, stream, {
    filter_subject: subject,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: Math.max(1, start),
    ack_policy: AckPolicy.None,
    mem_storage: true,
    inactive_threshold: FORGOTTEN_NANOS,
  });
  const messages: StoredMessage[] = [];
  let left = consumer.num_pending;
  try {
    let bytes = 0;
    let idle = 0;
    while (left > 0 && messages.length < limit && bytes < maxBytes) {
      if (messages.length > 0 && clock.now() >= shortAt) break;
      const batch = Math.min(left, limit - messages.length, pace.batch);
      const last = messages.at(-1)?.offset ?? start - 1;
      if (last >= upTo) break;
      const isAll = async (end = last) => (await stream.newestOf(subject)) <= end;
      const askedAt = clock.now();
      const next: StoredMessage[] = [];
      const given = messages.length;
      const asked = { stream, consumer: consumer.name, batch, given, messages: next, isAll };
      const hasSaid = await pull(connection, clock, asked).finally(() => {
        pace.took(clock.now() - askedAt, next.length);
        took?.(next);
      });
      if (!hasSaid) return { messages, left: 0 };
      if (next.length === 0) {
        if (await isAll()) return { messages, left: 0 };
        if (++idle > MAX_IDLE) {
          throw new StarlingError("broker_unavailable", "a reader of NATS stands still");
        }
      }
      for (const each of next) {
        const { length } = each.message.data;
        if (messages.length > 0 && bytes + length > maxBytes) {
          return { messages, left: each.left + 1 };
        }
        bytes += length;
        messages.push(each);
        ({ left } = each);
      }
    }
    return { messages, left };
  } finally {
    manager.consumers.delete(stream.name, consumer.name).catch(() => {});
  }
}

/**
 * A reader on one server; where that does not answer, on all that keep the stream: NATS chooses the one by
 * chance, and it may be one that is away.
 */
async function makeReader(
  manager: JetStreamManager,
  clock: Clock,
  stream: MeshStream,
  config: Partial<ConsumerConfig>,
): Promise<ConsumerInfo> {
  const make = (replicas: number) =>
    manager.consumers.add(stream.name, { ...config, num_replicas: replicas });
  const first = make(1);
  if (stream.replicas === 1) return first;
  const late = Promise.withResolvers<undefined>();
  const timer = clock.setTimeout(() => late.resolve(undefined), ELSEWHERE_MS);
  try {
    const made = await Promise.race([first, late.promise]);
    if (made !== undefined) return made;
  } finally {
    clock.clearTimeout(timer);
  }
  // One that is made all the same is forgotten by itself.
  first.catch(() => {});
  return make(stream.replicas);
}

/** A question to a reader for its next messages. */
interface Pull {
  readonly stream: MeshStream;
  readonly consumer: string;
  readonly batch: number;
  /** Messages that the reader has given before. */
  readonly given: number;
  /** Takes what comes, also where the question then fails. */
  readonly messages: StoredMessage[];
  /** Whether nothing is behind an offset, or behind what was given before. */
  isAll(upTo?: number): Promise<boolean>;
}

/** Asks a reader for messages, as many as there are; answers whether it has said anything but that it has none. */
function pull(
  connection: NatsConnection,
  clock: Clock,
  { stream, consumer, batch, given, messages, isAll }: Pull,
): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const fail = (reason: string) => reject(new StarlingError("broker_unavailable", reason));
  const reply = createInbox();
  let heardAt = clock.now();
  let isOver = false;
  const after = (ms: number, then: () => void) => clock.setTimeout(then, ms);
  const wait = () => {
    const leftMs = heardAt + TIMEOUT_MS - clock.now();
    if (leftMs <= 0) fail("NATS did not answer in time");
    else waiting = after(leftMs, wait);
  };
  let waiting = after(TIMEOUT_MS, wait);
  const look = async () => {
    const isSilent = clock.now() - heardAt >= LOOK_MS;
    const isDone = isSilent && (await isAll(messages.at(-1)?.offset).catch(() => false));
    if (isDone) resolve(true);
    else if (!isOver) looking = after(LOOK_MS, () => void look());
  };
  let looking = after(LOOK_MS, () => void look());
  const subscription = connection.subscribe(reply, {
    callback(error, message) {
      stream.heard();
      if (error !== null) return reject(error);
      const code = message.data.length === 0 ? (message.headers?.code ?? 0) : 0;
      if (code === NOTHING) return resolve(messages.length > 0);
      if (code === NO_MORE) return resolve(true);
      // A reader that is gone, with its server perhaps, says nothing of what there is.
      if (code > 0) return fail("a reader is gone");
      heardAt = clock.now();
      const { number, ...stored } = read(message);
      if (number !== given + messages.length + 1) return fail("a message of a reader was lost");
      messages.push(stored);
      if (messages.length === batch) resolve(true);
    },
  });
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream.name}.${consumer}`;
  connection.publish(subject, JSON.stringify({ batch, no_wait: true }), { reply });
  return promise.finally(() => {
    isOver = true;
    clock.clearTimeout(waiting);
    clock.clearTimeout(looking);
    subscription.unsubscribe();
  });
}

/** With what a server says about it in the place of its reply subject; `number` counts what the reader has given. */
function read(message: Msg): StoredMessage & { readonly number: number } {
  const tokens = (message.reply ?? "").split(".");
  // Newer servers put the domain and the account before the rest.
  const at = tokens.length > 9 ? 7 : 5;
  const [offset, number, nanos, left] = tokens.slice(at, at + 4).map(Number);
  const time = Math.floor((nanos ?? 0) / NANOS);
  return { offset: offset ?? 0, time, left: left ?? 0, number: number ?? 0, message };
}
