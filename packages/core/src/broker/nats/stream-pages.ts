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

/** One message of a stream. */
export interface StoredMessage {
  readonly offset: number;
  /** When it was kept, ms since the epoch. */
  readonly time: number;
  readonly message: Msg;
}

/** Messages of one channel behind an offset. */
export interface StoredPart {
  readonly messages: readonly StoredMessage[];
  /** How many follow. */
  readonly left: number;
}

/** Messages that are asked for at a time, and milliseconds that they may take. */
const BATCH = 200;
const TIMEOUT_MS = 3_000;
/** Milliseconds after which a reader is made elsewhere, too. */
const ELSEWHERE_MS = 500;
/** What a reader says that has nothing, and one that has no more than it has given, or counted wrongly. */
const [NOTHING, NO_MORE] = [404, 408];
/** Milliseconds after which it is looked whether a reader waits for what was dropped: then it never answers. */
const LOOK_MS = 300;
/** How often a reader may give nothing though there is something. */
const MAX_IDLE = 3;
/** Nanoseconds after which a server forgets a reader that was not done away with. */
const FORGOTTEN_NANOS = 5_000_000_000;
const NANOS = 1_000_000;

/**
 * Reads a channel from `start` on: at most so many messages, and so many bytes but at least one. Rejected with
 * `broker_unavailable` where the server that was read from does not have yet what others have acknowledged.
 */
export async function readStored(
  connection: NatsConnection,
  clock: Clock,
  stream: MeshStream,
  subject: string,
  range: { start: number; limit: number; maxBytes: number },
): Promise<StoredPart> {
  if (stream.replicas === 1) return readPart(connection, clock, stream, subject, range);
  const newest = await stream.newestOf(subject);
  const part = await readPart(connection, clock, stream, subject, range);
  const last = part.messages.at(-1)?.offset ?? range.start - 1;
  if (part.left === 0 && last < newest) {
    throw new StarlingError("broker_unavailable", "a server of NATS lags behind");
  }
  return part;
}

async function readPart(
  connection: NatsConnection,
  clock: Clock,
  stream: MeshStream,
  subject: string,
  { start, limit, maxBytes }: { start: number; limit: number; maxBytes: number },
): Promise<StoredPart> {
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
      const batch = Math.min(left, limit - messages.length, BATCH);
      const last = messages.at(-1)?.offset ?? start - 1;
      const isAll = async (upTo = last) => (await stream.newestOf(subject)) <= upTo;
      const next = await pull(connection, clock, stream.name, consumer.name, batch, isAll);
      if (next === undefined) return { messages, left: 0 };
      if (next.length === 0) {
        if (await isAll()) return { messages, left: 0 };
        if (++idle > MAX_IDLE) {
          throw new StarlingError("broker_unavailable", "a reader of NATS stands still");
        }
      }
      for (const message of next) {
        const place = placeOf(message);
        if (messages.length > 0 && bytes + message.data.length > maxBytes) {
          left = place.left + 1 + (next.length - next.indexOf(message) - 1);
          return { messages, left };
        }
        bytes += message.data.length;
        messages.push({ offset: place.offset, time: place.time, message });
        left = place.left;
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

/**
 * The next messages of a reader, as many as there are, undefined where it has none; `isAll` says whether
 * nothing is behind an offset.
 */
function pull(
  connection: NatsConnection,
  clock: Clock,
  stream: string,
  consumer: string,
  batch: number,
  isAll: (upTo?: number) => Promise<boolean>,
): Promise<readonly Msg[] | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Msg[] | undefined>();
  const messages: Msg[] = [];
  const reply = createInbox();
  const late = () => reject(new StarlingError("broker_unavailable", "NATS did not answer in time"));
  const timer = clock.setTimeout(late, TIMEOUT_MS);
  const lookLater = () => clock.setTimeout(() => void look(), LOOK_MS);
  const look = async () => {
    const last = messages.at(-1);
    const isDone = await isAll(last && placeOf(last).offset).catch(() => false);
    if (isDone) resolve(messages);
    else if (!isOver) looking = lookLater();
  };
  let looking = lookLater();
  let isOver = false;
  const subscription = connection.subscribe(reply, {
    callback(error, message) {
      if (error !== null) return reject(error);
      const code = message.data.length === 0 ? (message.headers?.code ?? 0) : 0;
      if (code === NOTHING) return resolve(messages.length === 0 ? undefined : messages);
      if (code === NO_MORE) return resolve(messages);
      // A reader that is gone, with its server perhaps, says nothing of what there is.
      if (code > 0) return reject(new StarlingError("broker_unavailable", "a reader is gone"));
      messages.push(message);
      if (messages.length === batch) resolve(messages);
    },
  });
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
  connection.publish(subject, JSON.stringify({ batch, no_wait: true }), { reply });
  return promise.finally(() => {
    isOver = true;
    clock.clearTimeout(timer);
    clock.clearTimeout(looking);
    subscription.unsubscribe();
  });
}

/** What a server says about a message in the place of its reply subject. */
function placeOf({ reply = "" }: Msg): { offset: number; time: number; left: number } {
  const tokens = reply.split(".");
  // Newer servers put the domain and the account before the rest.
  const at = tokens.length > 9 ? 7 : 5;
  const [offset, , nanos, left] = tokens.slice(at, at + 4);
  return { offset: Number(offset), time: Math.floor(Number(nanos) / NANOS), left: Number(left) };
}
